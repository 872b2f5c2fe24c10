/** What reader and writer of tar files share: POSIX.1-2001 ustar, with pax records for sizes beyond 8 GiB. */

export const BLOCK = 512;
/** The largest size that a ustar header holds in its 11 octal digits. */
export const LARGEST_USTAR = 8 ** 11 - 1;
export const REGULAR = '0';
export const FOLDER = '5';
export const PAX = 'x';

/** Bytes from the end of a file's data to the next header. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The sum of a header's bytes with its own checksum field read as spaces. */
export function checksumOf(header: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  return sum;
}
