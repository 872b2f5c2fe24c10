/**
 * The readable part of a derived name: lower case, one hyphen for every run of characters other than letters and digits, at
 * most `length` characters. `dots`: full stops stay, except at both ends. Empty where nothing readable is left.
 */
export function slug(text: string, length: number, { dots = false } = {}): string {
  const plain = text
    .toLowerCase()
    .replaceAll(dots ? /[^a-z0-9.]+/g : /[^a-z0-9]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '');
  return plain.slice(0, length);
}
