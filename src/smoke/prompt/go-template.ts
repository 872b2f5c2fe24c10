/**
 * What a TEMPLATE says about itself. Where a server shows no prompt this tells the cause of a count that does not fit,
 * and finds a wrong role name, which has as many tokens as the right one in Gemma's vocabulary.
 */

/** Whether anything in the template can write a system text: by its name, or as a message of any role. */
export function knowsSystem(template: string): boolean {
  return /\.System\b|["`]system["`]|\.Role\s*-?\}\}/.test(template);
}

/** Role names that the template itself writes behind a marker, and whether it also writes whatever role a message has. */
export function openedRoles(template: string, marker: string): { readonly names: string[]; readonly any: boolean } {
  const openings = template.split(marker).slice(1);
  return {
    names: openings.flatMap((text) => /^[A-Za-z]+/.exec(text)?.[0] ?? []),
    any: openings.some((text) => text.startsWith('{{')),
  };
}
