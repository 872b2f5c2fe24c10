import type { Issue } from '../core/parse.ts';
import { lettersOf } from './judges.ts';
import { type Check, FILLER, type Judge, type Suite } from './schema.ts';

/** What is wrong with a suite that its schema cannot say. */
export async function faultsOf({ checks }: Suite): Promise<Issue[]> {
  const seen = new Set<string>();
  const faults: Issue[] = [];
  for (const [index, check] of checks.entries()) {
    const path = `checks[${index}]`;
    faults.push(...check.judges.flatMap((judge, at) => judgeFault(check, judge, `${path}.judges[${at}]`)));
    if (seen.has(check.id)) faults.push({ path: `${path}.id`, message: `the id ${check.id} is used twice` });
    seen.add(check.id);
    faults.push(...messageFaults(check, path), ...wayFaults(check, path), ...(await formatFaults(check, path)));
  }
  return faults;
}

function messageFaults({ messages, fill }: Check, path: string): Issue[] {
  const faults: Issue[] = [];
  if (messages.at(-1)?.role !== 'user')
    faults.push({ path: `${path}.messages`, message: 'the last message must be of the user' });
  const places = messages.reduce((sum, { content }) => sum + content.split(FILLER).length - 1, 0);
  if (fill !== undefined && places !== 1)
    faults.push({
      path: `${path}.messages`,
      message: `a check with fill has ${FILLER} in one place, not in ${places}`,
    });
  return faults;
}

/** Fields that each make a check run in a way of its own. */
const WAYS = ['repeat', 'fill', 'format', 'timing'] as const satisfies (keyof Check)[];

function wayFaults(check: Check, path: string): Issue[] {
  const [first, second] = WAYS.filter((way) => check[way] !== undefined);
  if (second === undefined) return [];
  return [{ path: `${path}.${second}`, message: `cannot be joined with ${first}: write two checks` }];
}

async function formatFaults({ format }: Check, path: string): Promise<Issue[]> {
  if (format === undefined) return [];
  const { schemaFault } = await import('./json.ts');
  const message = schemaFault(format);
  return message === undefined ? [] : [{ path: `${path}.format`, message }];
}

function judgeFault(check: Check, judge: Judge, path: string): Issue[] {
  if (judge.kind === 'script' && lettersOf(judge.script) === undefined)
    return [
      { path: `${path}.script`, message: `${judge.script} is no Unicode script, write for example Latin or Han` },
    ];
  if (judge.kind === 'mentions' && judge.anyOf.some((word) => word.trim() === ''))
    return [{ path: `${path}.anyOf`, message: 'an empty word is in every answer' }];
  if (judge.kind === 'lacks' && judge.noneOf.some((word) => word.trim() === ''))
    return [{ path: `${path}.noneOf`, message: 'an empty word is in every answer' }];
  if (judge.kind === 'json' && check.format === undefined)
    return [{ path, message: 'the judge json needs a format in its check' }];
  return [];
}
