/** The built command line under faults: two versions of one model on a faulty web server, and all that an install leaves. */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import type { RESULTS } from '../../../src/cli/results.ts';
import { type Answer, type Home, makeHome, Q2, Q4, type RunOptions } from '../../helpers/cli.ts';
import { type Behaviour, type LoggedRequest, type Origin, sha256, startOrigin } from '../../helpers/origin.ts';

/** The name that is upgraded, and its two versions: two quants of the tiny model. */
export const NAME = 'tiny:latest';
export const OLD = { path: '/old-q2_k.gguf', bytes: readFileSync(Q2), digest: sha256(readFileSync(Q2)) };
export const NEW = { path: '/new-q4_k_m.gguf', bytes: readFileSync(Q4), digest: sha256(readFileSync(Q4)) };
export type Version = typeof OLD;

/** What the tiny model was trained to say. */
export const PROMPT = 'What is 2 + 2?';
export const REPLY = '4';

export function originOf(behave?: (number: number, request: LoggedRequest) => Behaviour): Promise<Origin> {
  const files = { [OLD.path]: OLD.bytes, [NEW.path]: NEW.bytes };
  return startOrigin({ files, ...(behave !== undefined && { behave }) });
}

/** Behaviour for the download itself: planning asks for the size and the header before it. */
export function whileFetching(
  version: Version,
  behave: (number: number, request: LoggedRequest) => Behaviour,
): (number: number, request: LoggedRequest) => Behaviour {
  let count = 0;
  return (_, request) => (isFetch(request, version) ? behave(count++, request) : {});
}

/** A request of the download: headers are read in short pieces with both ends given. */
export function isFetch({ method, path, range }: LoggedRequest, version: Version): boolean {
  if (method !== 'GET' || path !== version.path) return false;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  return first === undefined || Number(last) === version.bytes.length - 1 || Number(first) > HEADER_BYTES;
}
/** The header of the tiny model ends before this offset, in bytes. */
const HEADER_BYTES = 256 * 1024;

/** Bytes of a version that the download took, counted at the server. */
export function fetchedBytes(origin: Origin, version: Version): number {
  return origin.requests.filter((each) => isFetch(each, version)).reduce((sum, { sent }) => sum + sent, 0);
}

export function installArgs(
  origin: { readonly url: string },
  version: Version,
  more: readonly string[] = [],
): string[] {
  const from = ['--from', `${origin.url}${version.path}`, '--digest', version.digest];
  return [...from, '--runtime', 'embedded', '--accept-license', '--name', NAME, ...more];
}

export function install(
  home: Home,
  origin: { readonly url: string },
  version: Version,
  more: readonly string[] = ['--no-smoke'],
  options: RunOptions = {},
): Promise<Answer<'install'>> {
  return home.json('install', installArgs(origin, version, more), options);
}

/** A suite of one check, where the smoke test is not the point. */
export async function quickSuite(home: Home, reply = REPLY): Promise<string> {
  const path = join(home.path, `suite-${createHash('sha256').update(reply).digest('hex').slice(0, 6)}.json`);
  const messages = [{ role: 'user', content: PROMPT }];
  const judges = [{ kind: 'exactly', text: reply }];
  const checks = [{ id: 'adds', level: 'answers', title: 'adds', messages, judges, maxTokens: 16 }];
  await writeFile(path, JSON.stringify({ schemaVersion: 1, id: 'quick', title: 'quick', checks }));
  return path;
}

type Record = z.output<(typeof RESULTS)['list']>['records'][number];

/** All that an install can leave in a home. File names are relative to the folder that they are in. */
export interface State {
  readonly records: readonly Record[];
  /** Digest of the bytes by name in the runtime; `missing` where the blob is not there. */
  readonly models: Readonly<{ [name: string]: string }>;
  readonly blobs: readonly string[];
  /** Files of the cache. */
  readonly cached: readonly string[];
  /** Files whose name and bytes do not agree, in the cache and in the runtime. */
  readonly corrupt: readonly string[];
  readonly partials: readonly string[];
  readonly journals: readonly string[];
  /** What only a run that is at work has. */
  readonly temporary: readonly string[];
}

export async function stateOf(home: Home): Promise<State> {
  const listed = await home.json('list', []);
  if (listed.code !== 0 || listed.data === undefined) throw new Error(`list failed: ${listed.error.message}`);
  if (listed.data.broken.length > 0) throw new Error(`broken records: ${JSON.stringify(listed.data.broken)}`);
  const data = join(home.path, 'data');
  const blobs = await filesIn(join(data, 'embedded/blobs'));
  const cached = await filesIn(join(home.path, 'cache/blobs'));
  const all = [
    ...cached.map((name) => join(home.path, 'cache/blobs', name)),
    ...blobs.filter(isBlob).map((name) => join(data, 'embedded/blobs', name)),
  ];
  const wrong = await Promise.all(all.map(async (path) => (path.endsWith(await hexOf(path)) ? [] : [path])));
  const everything = await filesIn(data, true);
  return {
    records: listed.data.records,
    models: await modelsIn(join(data, 'embedded/models'), blobs),
    blobs: blobs.filter(isBlob),
    cached,
    corrupt: wrong.flat(),
    partials: await filesIn(join(home.path, 'cache/partial')),
    journals: await filesIn(join(data, 'journal')),
    temporary: [...everything.filter(isTemporary), ...blobs.filter((name) => !isBlob(name))],
  };
}

/** What must be as before when a run failed; partial files may stay, to be resumed. */
export function standing({ records, models, blobs, corrupt, journals, temporary }: State) {
  return { records, models, blobs, corrupt, journals, temporary };
}

export function digestNow(state: State, name = NAME): string | undefined {
  return state.models[name];
}

/** The names under which only a run that is at work, or a rollback, has something. */
export function otherNames(state: State): string[] {
  return Object.keys(state.models).filter((name) => name !== NAME);
}

async function modelsIn(folder: string, blobs: readonly string[]): Promise<{ [name: string]: string }> {
  const models: { [name: string]: string } = {};
  for (const file of (await filesIn(folder)).filter((each) => each.endsWith('.json'))) {
    const { name, digest } = JSON.parse(await readFile(join(folder, file), 'utf8'));
    models[name] = blobs.includes(digest.replace(':', '-')) ? digest : 'missing';
  }
  return models;
}

export async function filesIn(folder: string, recursive = false): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

const isBlob = (name: string): boolean => /^sha256-[0-9a-f]{64}$/.test(name);
/** `write-file-atomic` names its files like this. */
const isTemporary = (name: string): boolean => /\.json\.\d+$|\.tmp$/.test(name);

async function hexOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** A home as another one is, without what that one is doing. */
export function copyHome(from: Home): Home {
  const home = makeHome();
  cpSync(from.path, home.path, { recursive: true });
  return home;
}

/** What the name answers; undefined when it does not. */
export async function reply(home: Home): Promise<string | undefined> {
  const { data } = await home.json('run', [NAME, PROMPT]);
  return data?.response;
}
