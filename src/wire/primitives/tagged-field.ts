/**
 * A tagged field that this version of Jackdaw has no name for (KIP-482). Decoders keep it; encoders write it back where
 * the version has tagged fields, and leave it out where it has not.
 */
export interface UnknownTaggedField {
  /** The field's number within its struct. */
  readonly tag: number
  /** The field's bytes, without tag and size. */
  readonly data: Uint8Array
}

/** What every struct of a flexible version can carry beside its own fields. */
export interface WithUnknownTaggedFields {
  unknownTaggedFields?: UnknownTaggedField[]
}
