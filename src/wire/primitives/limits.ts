/** The bounds that decoders hold a peer to before they allocate anything. The numbers are those of Kafka 4.4's own readers. */

/** The most elements an array may announce. */
export const maxArrayLength = 1_000_000

/** The most fields a tagged section may announce. */
export const maxTaggedFields = 10_000

/** The longest string, in bytes of UTF-8: its length is an int16 in the original encoding, and Kafka keeps to it in the compact one. */
export const maxStringBytes = 32_767
