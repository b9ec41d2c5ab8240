/** Where record batches get their memory from: an interface declared by the builder, who needs it, and answered by
 *  whoever accounts for send memory. `unpooledBuffers` answers it with fresh memory. */

export interface BufferPool {
  /** A buffer of at least `size` bytes, whose contents nobody else uses until it is given back. It need not be zeroed. */
  take(size: number): Buffer
  /** Takes back a buffer that {@link BufferPool.take} gave, the same object, once and for all. */
  give(buffer: Buffer): void
}

/** Fresh memory for every batch, left to the garbage collector. */
export const unpooledBuffers: BufferPool = {
  take: (size) => Buffer.allocUnsafeSlow(size),
  give: () => {},
}
