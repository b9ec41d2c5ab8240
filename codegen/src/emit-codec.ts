/** Writes the functions that encode and decode a message's structs. */

import type { NameOf } from './emit-types.ts'
import { minimumBytes, type Default, type Field, type Message, type Scalar, type Struct, type Type } from './schema.ts'
import { covers, type Versions } from './versions.ts'

/** Which helpers the code calls, so that the file imports them and no others. */
export interface Uses {
  readonly primitives: Set<string>
  readonly elements: Set<string>
  /** Structs whose being default is asked for. */
  readonly isDefault: Set<Struct>
}

const METHODS: Record<Scalar, string> = {
  bool: 'bool',
  int8: 'int8',
  int16: 'int16',
  uint16: 'uint16',
  int32: 'int32',
  int64: 'int64',
  float64: 'float64',
  string: 'string',
  bytes: 'bytes',
  records: 'records',
  uuid: 'uuid',
}

/** The codec of one message. Call `structs` for the functions, in the order of the message's structs. */
export class CodecEmitter {
  readonly #message: Message
  readonly #nameOf: NameOf
  readonly #uses: Uses

  constructor(message: Message, nameOf: NameOf, uses: Uses) {
    this.#message = message
    this.#nameOf = nameOf
    this.#uses = uses
  }

  encoder(struct: Struct): string[] {
    const name = this.#nameOf(struct)
    const fields = struct.fields
    const body: string[] = []
    const names = fields.map((field) => `${field.name} = ${this.#defaultText(field.default, field.type, true)}`)
    const isFlexible = this.#message.flexible !== null
    if (isFlexible) names.push('unknownTaggedFields')
    if (names.length > 0) body.push(`const { ${names.join(', ')} } = message`)
    for (const field of fields) if (field.tag === null) body.push(...this.#encodeField(field, struct))
    for (const field of fields) if (field.tag !== null) body.push(...this.#rejectAbsent(field, struct))
    if (isFlexible) body.push(...this.#encodeTagged(struct))
    return this.#function(`encode${name}(writer: Writer, message: Init<${name}>, VERSION: number): void`, struct, body)
  }

  decoder(struct: Struct): string[] {
    const name = this.#nameOf(struct)
    const tagged = struct.fields.filter((field) => field.tag !== null)
    const values = struct.fields.map((field) => `${field.name}: ${this.#decodeGated(field, struct)},`)
    const isFlexible = this.#message.flexible !== null
    const body = [isFlexible ? `const message: ${name} = {` : 'return {', ...values, '}']
    if (values.length === 0) body.splice(0, body.length, isFlexible ? `const message: ${name} = {}` : 'return {}')
    if (isFlexible) {
      const reader = tagged.length > 0 ? `, read${name}Tag` : ''
      const call = `reader.taggedFields(message, version${reader})`
      body.push(this.#isAlwaysFlexible(struct) ? call : `if (flexible) ${call}`, 'return message')
    }
    const lines = this.#function(`decode${name}(reader: Reader, VERSION: number): ${name}`, struct, body)
    if (tagged.length > 0) lines.push('', ...this.#tagReader(struct, tagged))
    return lines
  }

  /** A function that tells whether a struct has nothing but defaults. */
  isDefault(struct: Struct): string[] {
    const name = this.#nameOf(struct)
    const names = struct.fields.map((field) => `${field.name} = ${this.#defaultText(field.default, field.type, true)}`)
    const tests = struct.fields.map((field) => this.#isDefaultText(field, field.name))
    if (this.#message.flexible !== null) {
      names.push('unknownTaggedFields = []')
      tests.push('unknownTaggedFields.length === 0')
    }
    return [
      `function isDefault${name}(struct: Init<${name}>): boolean {`,
      `const { ${names.join(', ')} } = struct`,
      `return ${tests.join(' && ')}`,
      '}',
    ]
  }

  #function(signature: string, struct: Struct, body: string[]): string[] {
    const usesFlexible = body.some((line) => /\bflexible\b/.test(line))
    if (usesFlexible) body.unshift(`const flexible = version >= ${this.#message.flexible?.first}`)
    const usesVersion = body.some((line) => /\bversion\b/.test(line.replaceAll(/'[^']*'/g, '')))
    return [`function ${signature.replace('VERSION', usesVersion ? 'version' : '_version')} {`, ...body, '}']
  }

  #encodeField(field: Field, struct: Struct): string[] {
    const statement = this.#write('writer', field, struct)
    const gate = gateText(field.versions, struct.versions)
    if (gate === null) return [statement]
    const reject = this.#rejectText(field)
    if (reject === null) return [`if (${gate}) ${statement}`]
    return [`if (${gate}) ${statement}`, `else ${reject}`]
  }

  #rejectAbsent(field: Field, struct: Struct): string[] {
    const gate = gateText(field.versions, struct.versions)
    const reject = this.#rejectText(field)
    if (gate === null || reject === null) return []
    return [`if (${negatedGateText(field.versions, struct.versions)} && ${reject.slice('if ('.length)}`]
  }

  /** The statement that refuses a value in a version that cannot carry it; null where Kafka lets it go. */
  #rejectText(field: Field): string | null {
    if (field.ignorable) return null
    this.#uses.primitives.add('unsupportedField')
    const isSet = this.#isSetText(field, field.name)
    return `if (${isSet}) throw unsupportedField('${this.#message.name}', '${field.name}', version)`
  }

  #encodeTagged(struct: Struct): string[] {
    const tagged = struct.fields.filter((field) => field.tag !== null)
    const always = this.#isAlwaysFlexible(struct)
    if (tagged.length === 0) {
      const call = 'writer.unknownTaggedFields(unknownTaggedFields)'
      return [always ? call : `if (flexible) ${call}`]
    }
    this.#uses.primitives.add('TaggedSection')
    const body = ['const tagged = new TaggedSection(unknownTaggedFields)']
    for (const field of tagged.toSorted((left, right) => left.tag! - right.tag!)) {
      const gate = gateText(field.versions, this.#message.flexible!)
      const isSet = this.#isSetText(field, field.name)
      const condition = gate === null ? isSet : `${gate} && ${isSet.includes('||') ? `(${isSet})` : isSet}`
      body.push(`if (${condition}) ${this.#write(`tagged.field(${field.tag})`, field, struct, true)}`)
    }
    body.push('tagged.writeTo(writer)')
    return always ? body : ['if (flexible) {', ...body, '}']
  }

  #write(writer: string, field: Field, struct: Struct, isTagged = false): string {
    const { type, nullable } = field
    const flexible = isTagged ? 'true' : this.#flexibleText(field.versions)
    const isNullable = nullable !== null
    let value = field.name
    if (isNullable && !covers(nullable, field.versions)) {
      this.#uses.primitives.add('notNull')
      const gate = gateText(nullable, field.versions)
      value = `${gate} ? ${value} : notNull(${value}, '${this.#message.name}', '${field.name}', version)`
    }
    const flexibleArgument = flexible === 'false' ? '' : `, ${flexible}`
    switch (type.kind) {
      case 'bigint':
        return `${writer}.bigint64(${value})`
      case 'array': {
        const method = isNullable ? 'nullableArray' : 'array'
        return `${writer}.${method}(${value}, ${flexible}, ${this.#elementFunction('write', type.element)}, version)`
      }
      case 'struct': {
        const name = this.#nameOf(type.struct)
        if (isNullable) return `${writer}.nullableStruct(${value}, encode${name}, version, ${flexible})`
        return `encode${name}(${writer}, ${value}, version)`
      }
      case 'scalar': {
        const method = METHODS[type.scalar]
        if (type.scalar === 'string' || type.scalar === 'bytes' || type.scalar === 'records') {
          return `${writer}.${isNullable ? nullableName(method) : method}(${value}${flexibleArgument})`
        }
        if (isNullable) throw new Error(`${struct.name}.${field.name} is a ${type.scalar} that may be null`)
        return `${writer}.${method}(${value})`
      }
    }
  }

  #decodeGated(field: Field, struct: Struct): string {
    const empty = this.#defaultText(field.default, field.type, false)
    if (field.tag !== null) return empty
    const gate = gateText(field.versions, struct.versions)
    const read = this.#read(field)
    return gate === null ? read : `${gate} ? ${read.includes(' ? ') ? `(${read})` : read} : ${empty}`
  }

  #read(field: Field, isTagged = false): string {
    const { nullable, versions } = field
    if (nullable === null) return this.#readAs(field, false, isTagged)
    if (covers(nullable, versions)) return this.#readAs(field, true, isTagged)
    const gate = gateText(nullable, versions)
    return `${gate} ? ${this.#readAs(field, true, isTagged)} : ${this.#readAs(field, false, isTagged)}`
  }

  #readAs(field: Field, isNullable: boolean, isTagged: boolean): string {
    const { type, versions } = field
    const flexible = isTagged ? 'true' : this.#flexibleText(versions)
    switch (type.kind) {
      case 'bigint':
        return 'reader.bigint64()'
      case 'array': {
        const minimum = minimumBytes(type.element, versions, this.#message.flexible)
        if (minimum < 1) throw new Error(`an element of ${field.name} may take no bytes`)
        const method = isNullable ? 'nullableArray' : 'array'
        return `reader.${method}(${flexible}, ${minimum}, ${this.#elementFunction('read', type.element)}, version)`
      }
      case 'struct': {
        const name = this.#nameOf(type.struct)
        if (isNullable) return `reader.nullableStruct(decode${name}, version, ${flexible})`
        return `decode${name}(reader, version)`
      }
      case 'scalar': {
        const method = type.scalar === 'records' ? 'bytes' : METHODS[type.scalar]
        const isSized = method === 'string' || method === 'bytes'
        const argument = isSized && flexible !== 'false' ? flexible : ''
        return `reader.${isNullable ? nullableName(method) : method}(${argument})`
      }
    }
  }

  #tagReader(struct: Struct, tagged: readonly Field[]): string[] {
    const name = this.#nameOf(struct)
    const cases = tagged
      .toSorted((left, right) => left.tag! - right.tag!)
      .flatMap((field) => {
        const gate = negatedGateText(field.versions, this.#message.flexible!)
        return [
          `case ${field.tag}:`,
          ...(gate === null ? [] : [`if (${gate}) return false`]),
          `message.${field.name} = ${this.#read(field, true)}`,
          'return true',
        ]
      })
    const usesVersion = cases.some((line) => /\bversion\b/.test(line))
    const parameters = `reader: Reader, message: ${name}, tag: number${usesVersion ? ', version: number' : ''}`
    return [
      `function read${name}Tag(${parameters}): boolean {`,
      'switch (tag) {',
      ...cases,
      'default:',
      'return false',
      '}',
      '}',
    ]
  }

  #elementFunction(direction: 'read' | 'write', element: Type): string {
    if (element.kind === 'struct') {
      return `${direction === 'read' ? 'decode' : 'encode'}${this.#nameOf(element.struct)}`
    }
    if (element.kind !== 'scalar') throw new Error('an array of arrays')
    const name = direction + METHODS[element.scalar].replace(/^./, (letter) => letter.toUpperCase())
    this.#uses.elements.add(name)
    return name
  }

  /** A literal for a default. An encoder's empty struct is `{}`, since its encoder fills it in. */
  #defaultText(value: Default, type: Type, isInit: boolean): string {
    switch (value.kind) {
      case 'null':
        return 'null'
      case 'number':
      case 'boolean':
        return String(value.value)
      case 'bigint':
        return `${value.value}n`
      case 'string':
        return `'${value.value}'`
      case 'empty':
        if (type.kind === 'array') return '[]'
        if (type.kind === 'struct') {
          if (isInit || type.struct.fields.length === 0) return '{}'
          const fields = type.struct.fields.map(
            (field) => `${field.name}: ${this.#defaultText(field.default, field.type, false)}`,
          )
          return `{ ${fields.join(', ')} }`
        }
        if (type.kind === 'scalar' && type.scalar === 'uuid') {
          this.#uses.primitives.add('zeroUuid')
          return 'zeroUuid'
        }
        return 'Buffer.alloc(0)'
    }
  }

  #isDefaultText(field: Field, value: string): string {
    const isSet = this.#isSetText(field, value)
    if (isSet.startsWith('!')) return isSet.slice(1)
    if (field.default.kind === 'boolean') return field.default.value ? value : `!${value}`
    if (isSet.includes('||')) return `${value} !== null && ${value}.length === 0`
    return isSet.replace(' !== ', ' === ').replace('.length > 0', '.length === 0')
  }

  /** An expression that is true when the value is not the field's default. */
  #isSetText(field: Field, value: string): string {
    const { type } = field
    switch (field.default.kind) {
      case 'boolean':
        return field.default.value ? `!${value}` : value
      case 'empty':
        if (type.kind === 'struct') {
          this.#uses.isDefault.add(type.struct)
          return `!isDefault${this.#nameOf(type.struct)}(${value})`
        }
        if (type.kind === 'scalar' && type.scalar === 'uuid') {
          this.#uses.primitives.add('zeroUuid')
          return `${value} !== zeroUuid`
        }
        return field.nullable === null ? `${value}.length > 0` : `${value} === null || ${value}.length > 0`
      default:
        return `${value} !== ${this.#defaultText(field.default, type, true)}`
    }
  }

  #isAlwaysFlexible(struct: Struct): boolean {
    return covers(this.#message.flexible, struct.versions)
  }

  /** `true` or `false` where all the versions agree, else the variable that says it. */
  #flexibleText(versions: Versions): string {
    const flexible = this.#message.flexible
    if (flexible === null || flexible.first > versions.last) return 'false'
    return flexible.first <= versions.first ? 'true' : 'flexible'
  }
}

/** The test that tells `inner` from the rest of `outer`; null when there is no rest. */
function gateText(inner: Versions, outer: Versions): string | null {
  const tests: string[] = []
  if (inner.first === inner.last && inner.first > outer.first && inner.last < outer.last) {
    return `version === ${inner.first}`
  }
  if (inner.first > outer.first) tests.push(`version >= ${inner.first}`)
  if (inner.last < outer.last) tests.push(`version <= ${inner.last}`)
  return tests.length === 0 ? null : tests.join(' && ')
}

function negatedGateText(inner: Versions, outer: Versions): string | null {
  if (inner.first > outer.first && inner.last < outer.last) {
    return `(version < ${inner.first} || version > ${inner.last})`
  }
  if (inner.first > outer.first) return `version < ${inner.first}`
  return inner.last < outer.last ? `version > ${inner.last}` : null
}

function nullableName(method: string): string {
  return `nullable${method.charAt(0).toUpperCase()}${method.slice(1)}`
}
