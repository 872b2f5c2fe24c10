/** Identifies a page of this tool; it is in the head of every page. */
export const MARKER = '<meta name="generator" content="gemma-provision recommend">';

/** True for the beginning of a page that this tool wrote, which may be overwritten. */
export function isOurPage(head: string): boolean {
  return head.trimStart().toLowerCase().startsWith('<!doctype html>') && head.includes(MARKER);
}
