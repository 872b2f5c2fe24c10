import type { Message } from '../../runtimes/contract.ts';
import { isJinja } from '../../runtimes/jinja.ts';
import { firstDifference } from '../difference.ts';
import type { Expectation } from './expected.ts';
import { systemLost, templateDiffers, wrongRole } from './findings.ts';
import type { Finding } from './schema.ts';
import { knowsSystem, openedRoles } from './template.ts';

/** Names what is wrong with a prompt that is not the expected one. */
export function nameDifference({ shape, messages, body: expected }: Expectation, effective: string): Finding[] {
  const system = messages.find(({ role }) => role === 'system')?.content.trim();
  if (system !== undefined && !effective.includes(system)) return [systemLost()];
  const roles = wrongRoles(effective, expected, messages);
  if (roles.length > 0) return roles.map((role) => wrongRole(role.effective, role.expected));
  const difference = firstDifference(effective, expected);
  return difference === undefined ? [] : [templateDiffers(shape.title, difference)];
}

/** What is known of a prompt that is not shown. */
export interface Hidden {
  /** The template that the runtime shows. */
  readonly template?: string;
  /** Whether the prompt has as many tokens as expected; a wrong role may leave it so. */
  readonly fits: boolean;
  /** Whether it has as many tokens as without its system text. */
  readonly fitsWithoutSystem: boolean;
}

/** Names what counts and the template show to be wrong where the prompt itself is not shown. */
export function nameHidden({ messages, body }: Expectation, { template, fits, fitsWithoutSystem }: Hidden): Finding[] {
  if (fitsWithoutSystem) return [systemLost()];
  if (template === undefined || isJinja(template)) return [];
  const role = wrongRoleIn(template, body);
  if (role !== undefined) return [wrongRole(role.effective, role.expected)];
  const hasSystem = messages.some(({ role: each }) => each === 'system');
  return hasSystem && !fits && !knowsSystem(template) ? [systemLost()] : [];
}

/** A role that the expected prompt opens, the template does not, while it opens one that the prompt does not know. */
function wrongRoleIn(template: string, expected: string): RoleNames | undefined {
  const openings = [...expected.matchAll(/(<[^<>\s]+>)([A-Za-z]+)/g)];
  const last = openings.at(-1);
  const marker = last?.[1];
  if (marker === undefined) return undefined;
  const wanted = [...new Set(openings.flatMap(([, mark, role]) => (mark === marker && role ? [role] : [])))];
  const { names, any } = openedRoles(template, marker);
  // The role of the answer is the template's own word, also where it writes the other ones as they come.
  const missing = (any ? wanted.filter((role) => role === last?.[2]) : wanted).find((role) => !names.includes(role));
  const strange = names.find((name) => !wanted.includes(name));
  return missing === undefined || strange === undefined ? undefined : { effective: strange, expected: missing };
}

interface RoleNames {
  readonly effective: string;
  readonly expected: string;
}

/** Empty unless words outside of markers and messages are all that differs. */
function wrongRoles(effective: string, expected: string, messages: readonly Message[]): RoleNames[] {
  const ours = literalsOf(expected, messages);
  const theirs = literalsOf(effective, messages);
  if (ours === undefined || theirs === undefined) return [];
  const wanted = ours.flatMap(partsOf);
  const found = theirs.flatMap(partsOf);
  if (wanted.length !== found.length) return [];
  const differing = wanted.flatMap((part, index) => {
    const other = found[index] ?? '';
    return part === other ? [] : [{ effective: other, expected: part }];
  });
  if (!differing.every(({ effective: a, expected: b }) => isWord(a) && isWord(b))) return [];
  return [...new Map(differing.map((each) => [`${each.effective} ${each.expected}`, each])).values()];
}

/** The template's own text, between the messages; undefined when one of them is missing. */
function literalsOf(prompt: string, messages: readonly Message[]): string[] | undefined {
  const literals: string[] = [];
  let from = 0;
  for (const { content } of messages) {
    const at = prompt.indexOf(content.trim(), from);
    if (at < 0) return undefined;
    literals.push(prompt.slice(from, at));
    from = at + content.trim().length;
  }
  return [...literals, prompt.slice(from)];
}

/** Markers, words, and what is between them. */
function partsOf(literal: string): string[] {
  return literal.split(/(<[^<>\s]*>|[A-Za-z]+)/);
}

function isWord(part: string): boolean {
  return /^[A-Za-z]+$/.test(part);
}
