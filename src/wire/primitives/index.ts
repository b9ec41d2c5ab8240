/** The primitives of the protocol, by name, for `jackdaw/wire`. Inside Jackdaw each is imported from its own file. */

export { Reader, type ReadElement, type ReadTaggedField } from './reader.ts'
export { Writer, TaggedSection, type WriteElement } from './writer.ts'
export { zeroUuid } from './uuid.ts'
export type { UnknownTaggedField, WithUnknownTaggedFields } from './tagged-field.ts'
export { maxArrayLength, maxStringBytes, maxTaggedFields } from './limits.ts'
