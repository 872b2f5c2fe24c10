/** Anything that bytes can be read from by position: a file, an HTTP range, a buffer. */
export interface ByteSource {
  /**
   * Bytes from `offset` on: at most `length`, fewer near the end, none behind it.
   * Throws the source's own `ProvisionError` when reading fails.
   *
   * @param spare memory of at least `length` bytes that the answer may be put into, to save allocating
   */
  read(offset: number, length: number, spare?: Uint8Array): Promise<Uint8Array>;
}
