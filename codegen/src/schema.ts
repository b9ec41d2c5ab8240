/** What a definition means: structs with typed fields, each with the versions in which it really occurs. Writes no code. */

import type { RawField, RawMessage } from './definitions.ts'
import { covers, includes, intersect, parseVersions, union, type Versions } from './versions.ts'

const SCALARS = [
  'bool', 'int8', 'int16', 'uint16', 'int32', 'int64', 'float64', 'string', 'bytes', 'records', 'uuid',
] as const // prettier-ignore
export type Scalar = (typeof SCALARS)[number]

export type Type =
  | { readonly kind: 'scalar'; readonly scalar: Scalar }
  | { readonly kind: 'bigint' }
  | { readonly kind: 'struct'; readonly struct: Struct }
  | { readonly kind: 'array'; readonly element: Type }

export type Default =
  | { readonly kind: 'null' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'bigint'; readonly value: bigint }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }

export interface Field {
  /** Kafka's name with a small first letter. */
  readonly name: string
  readonly type: Type
  /** Clipped to those of the struct. */
  readonly versions: Versions
  /** Clipped to `versions`. */
  readonly nullable: Versions | null
  /** Null for a field that is not tagged. */
  readonly tag: number | null
  readonly ignorable: boolean
  readonly default: Default
}

export interface Struct {
  /** Kafka's name; unique in a message. */
  readonly name: string
  /** The versions in which the struct occurs. */
  versions: Versions
  fields: readonly Field[]
}

export interface Message {
  readonly name: string
  readonly type: RawMessage['type']
  readonly apiKey: number | null
  readonly versions: Versions
  /** The last version that Kafka calls stable. */
  readonly lastStable: number
  readonly flexible: Versions | null
  readonly root: Struct
  /** Every struct, the root first, then in the order in which they are met. */
  readonly structs: readonly Struct[]
}

/** Understands a definition; null for one without versions (a stub of an API that was removed). */
export function parseMessage(raw: RawMessage): Message | null {
  const versions = parseVersions(raw.validVersions)
  if (versions === null) return null
  const structs = new Map<string, Struct>()
  const shared = new Map((raw.commonStructs ?? []).map((struct) => [struct.name, struct.fields]))

  const parseStruct = (name: string, rawFields: readonly RawField[], occurs: Versions): Struct => {
    const known = structs.get(name)
    // A shared struct occurs wherever one of its users does.
    const all = known === undefined ? occurs : (union(known.versions, occurs, name) ?? occurs)
    const struct: Struct = known ?? { name, versions: all, fields: [] }
    struct.versions = all
    structs.set(name, struct)
    const fields: Field[] = []
    for (const rawField of rawFields) {
      const field = parseField(rawField, all, `${raw.name}.${name}`)
      if (field !== null) fields.push(field)
    }
    struct.fields = fields
    return struct
  }

  const parseType = (rawField: RawField, occurs: Versions): Type => {
    const text = rawField.type
    if (text.startsWith('[]')) {
      return { kind: 'array', element: parseType({ ...rawField, type: text.slice(2) }, occurs) }
    }
    if (isScalar(text)) return { kind: 'scalar', scalar: text }
    const rawFields = rawField.fields ?? shared.get(text)
    if (rawFields === undefined) throw new Error(`${raw.name} has no struct '${text}'`)
    return { kind: 'struct', struct: parseStruct(text, rawFields, occurs) }
  }

  const parseField = (rawField: RawField, occurs: Versions, path: string): Field | null => {
    const fieldVersions = intersect(parseVersions(rawField.versions), occurs)
    if (fieldVersions === null) return null
    const where = `${path}.${rawField.name}`
    const tagged = intersect(parseVersions(rawField.taggedVersions ?? 'none'), fieldVersions)
    if (tagged !== null && !covers(tagged, fieldVersions)) throw new Error(`${where} is tagged in some versions only`)
    const nullable = intersect(parseVersions(rawField.nullableVersions ?? 'none'), fieldVersions)
    const type = parseType(rawField, fieldVersions)
    const parsedDefault = parseDefault(rawField, type, nullable !== null, where)
    if (
      type.kind === 'struct' &&
      nullable !== null &&
      (parsedDefault.kind !== 'null' || !covers(nullable, fieldVersions))
    ) {
      throw new Error(`${where} is a struct that is null in some versions only, or not by default`)
    }
    return {
      name: rawField.name.charAt(0).toLowerCase() + rawField.name.slice(1),
      type: parsedDefault.kind === 'bigint' ? { kind: 'bigint' } : type,
      versions: fieldVersions,
      nullable,
      tag: tagged === null ? null : (rawField.tag ?? null),
      ignorable: rawField.ignorable === true,
      default: parsedDefault,
    }
  }

  const root = parseStruct(raw.name, raw.fields ?? [], versions)
  return {
    name: raw.name,
    type: raw.type,
    apiKey: raw.apiKey ?? null,
    versions,
    lastStable: raw.latestVersionUnstable === true ? versions.last - 1 : versions.last,
    flexible: intersect(parseVersions(raw.flexibleVersions ?? 'none'), versions),
    root,
    structs: [...structs.values()],
  }
}

/** The fewest bytes that a value of the type takes, in any of the versions. */
export function minimumBytes(type: Type, versions: Versions, flexible: Versions | null): number {
  let minimum = Infinity
  for (let version = versions.first; version <= versions.last; version++) {
    minimum = Math.min(minimum, bytesAt(type, version, includes(flexible, version)))
  }
  return minimum
}

function bytesAt(type: Type, version: number, flexible: boolean): number {
  switch (type.kind) {
    case 'array':
      return flexible ? 1 : 4
    case 'bigint':
      return 8
    case 'struct': {
      let sum = flexible ? 1 : 0
      for (const field of type.struct.fields) {
        if (field.tag !== null || !includes(field.versions, version)) continue
        const isNullableStruct = field.type.kind === 'struct' && includes(field.nullable, version)
        sum += isNullableStruct ? 1 : bytesAt(field.type, version, flexible)
      }
      return sum
    }
    case 'scalar':
      return scalarBytes(type.scalar, flexible)
  }
}

function scalarBytes(scalar: Scalar, flexible: boolean): number {
  switch (scalar) {
    case 'bool':
    case 'int8':
      return 1
    case 'int16':
    case 'uint16':
      return 2
    case 'int32':
      return 4
    case 'int64':
    case 'float64':
      return 8
    case 'uuid':
      return 16
    case 'string':
      return flexible ? 1 : 2
    case 'bytes':
    case 'records':
      return flexible ? 1 : 4
  }
}

function isScalar(text: string): text is Scalar {
  return (SCALARS as readonly string[]).includes(text)
}

function parseDefault(field: RawField, type: Type, isNullable: boolean, where: string): Default {
  const text = field.default === undefined ? undefined : String(field.default)
  if (text === 'null') {
    if (!isNullable) throw new Error(`${where} is null by default, but must not be null`)
    return { kind: 'null' }
  }
  if (type.kind === 'struct' || type.kind === 'array' || type.kind === 'bigint') {
    if (text !== undefined && text !== '') throw new Error(`${where} has the default '${text}'`)
    return { kind: 'empty' }
  }
  switch (type.scalar) {
    case 'bool':
      if (text !== undefined && text !== 'true' && text !== 'false') throw new Error(`${where} is '${text}' by default`)
      return { kind: 'boolean', value: text === 'true' }
    case 'int64': {
      const value = BigInt(text ?? '0')
      // An int64 is a number, unless its own default already is beyond what a number holds exactly.
      if (BigInt.asIntN(54, value) !== value) return { kind: 'bigint', value }
      return { kind: 'number', value: Number(value) }
    }
    case 'int8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'float64': {
      const value = Number(text ?? '0')
      if (!Number.isFinite(value)) throw new Error(`${where} has the default '${text}'`)
      return { kind: 'number', value }
    }
    case 'string':
      return { kind: 'string', value: text ?? '' }
    case 'uuid':
      if (text !== undefined) throw new Error(`${where} has the default '${text}'`)
      return { kind: 'empty' }
    case 'bytes':
      if (text !== undefined && text !== '') throw new Error(`${where} has the default '${text}'`)
      return { kind: 'empty' }
    case 'records':
      // Kafka's own rule: records that may be null are, unless set.
      return isNullable ? { kind: 'null' } : { kind: 'empty' }
  }
}
