/** A prompt without the BOS in front, and how often that was written there. */
export function takeBos(text: string, bos: string): { readonly body: string; readonly count: number } {
  let count = 0;
  while (bos !== '' && text.startsWith(bos, count * bos.length)) count += 1;
  return { body: text.slice(count * bos.length), count };
}
