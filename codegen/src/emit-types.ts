/** Writes a message's structs as TypeScript interfaces. */

import type { Field, Message, Struct, Type } from './schema.ts'
import { rangeText } from './text.ts'
import { covers } from './versions.ts'

/** How a file calls the struct: Kafka's name, or with the message's before it where two messages share the name. */
export type NameOf = (struct: Struct) => string

/** The interface of one struct. */
export function emitInterface(struct: Struct, message: Message, nameOf: NameOf): string[] {
  const lines = [`export interface ${nameOf(struct)} {`]
  for (const field of struct.fields) {
    const remark = fieldRemark(field, struct, message)
    if (remark !== '') lines.push(`  /** ${remark} */`)
    lines.push(`  ${field.name}: ${fieldType(field, nameOf)}`)
  }
  if (message.flexible !== null) lines.push('  unknownTaggedFields?: UnknownTaggedField[]')
  lines.push('}')
  return lines
}

function fieldType(field: Field, nameOf: NameOf): string {
  return typeText(field.type, nameOf) + (field.nullable === null ? '' : ' | null')
}

function typeText(type: Type, nameOf: NameOf): string {
  switch (type.kind) {
    case 'array':
      return `${typeText(type.element, nameOf)}[]`
    case 'struct':
      return nameOf(type.struct)
    case 'bigint':
      return 'bigint'
    case 'scalar':
      switch (type.scalar) {
        case 'bool':
          return 'boolean'
        case 'string':
        case 'uuid':
          return 'string'
        case 'bytes':
        case 'records':
          return 'Buffer'
        default:
          return 'number'
      }
  }
}

/** What the type does not say: in which versions the field exists, is tagged, and may be null. */
function fieldRemark(field: Field, struct: Struct, message: Message): string {
  const parts: string[] = []
  if (!covers(field.versions, struct.versions)) parts.push(`Versions ${rangeText(field.versions, message.versions)}.`)
  if (field.tag !== null) parts.push(`Tag ${field.tag}.`)
  if (field.nullable !== null && !covers(field.nullable, field.versions)) {
    parts.push(`Null only in versions ${rangeText(field.nullable, message.versions)}.`)
  }
  if (field.type.kind === 'scalar' && field.type.scalar === 'uuid') parts.push('A uuid.')
  return parts.join(' ')
}
