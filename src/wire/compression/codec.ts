/** What a compression codec is, and the four that Kafka knows. Knows no record: a codec turns bytes into bytes. */

/** The codecs of Kafka, by the names its configuration uses; 'none' is the absence of one. */
export type CompressionType = 'none' | CodecName
export type CodecName = 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** The names by the number in a batch's attribute bits. */
export const compressionTypes: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/**
 * Compresses and decompresses the records of a batch. Replace one with `registerCodec`, for instance by a native one.
 */
export interface Codec {
  readonly name: CodecName
  /** The number in a batch's attribute bits: gzip 1, snappy 2, lz4 3, zstd 4. */
  readonly id: number
  /** Makes the codec usable; everything after it is synchronous. Called again, it does nothing. */
  load(): Promise<void>
  /** Checks a level before any record depends on it: throws `InvalidOptionError` when `compress` could not honour it. */
  checkLevel?(level: number): void
  /** The compressed bytes, in memory of their own. `level` means what Kafka's `compression.<name>.level` means. */
  compress(source: Uint8Array, level?: number): Uint8Array
  /**
   * The bytes that were compressed, in memory of their own. Never allocates much more than `maxBytes`, whatever the
   * source says of itself: beyond it, and for bytes that make no sense, it throws `CorruptRecordError`.
   *
   * @param magic - The message format around the bytes; lz4 in magic 0 has a wrong header checksum (KIP-57).
   */
  decompress(source: Uint8Array, maxBytes: number, magic?: number): Uint8Array
}
