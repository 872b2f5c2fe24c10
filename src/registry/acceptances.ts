import { join } from 'node:path';
import { checkDocument, parseJson } from '../core/parse.ts';
import { type Registry, refuseNewer } from './record-file.ts';
import { type Acceptance, AcceptanceFile } from './schema.ts';

/** The acceptance of exactly this text, or undefined: a licence with another text has to be accepted again. */
export async function findAcceptance(
  registry: Registry,
  wanted: Pick<Acceptance, 'licence' | 'textDigest'>,
): Promise<Acceptance | undefined> {
  return (await readAcceptances(registry)).find((each) => isSame(each, wanted));
}

/** Throws `bad-record` when the file of acceptances is broken: what was accepted must not be guessed. */
export async function hasAccepted(
  registry: Registry,
  wanted: Pick<Acceptance, 'licence' | 'textDigest'>,
): Promise<boolean> {
  return (await findAcceptance(registry, wanted)) !== undefined;
}

/** Adds an acceptance; the first one of a text stays. Reads, changes and writes: call it under the lock. */
export async function recordAcceptance(registry: Registry, acceptance: Acceptance): Promise<void> {
  const acceptances = await readAcceptances(registry);
  if (acceptances.some((each) => isSame(each, acceptance))) return;
  const file = { schemaVersion: 1, acceptances: [...acceptances, acceptance] } satisfies AcceptanceFile;
  await registry.disk.replaceText(pathIn(registry), `${JSON.stringify(AcceptanceFile.parse(file), null, 2)}\n`);
}

async function readAcceptances(registry: Registry): Promise<Acceptance[]> {
  const path = pathIn(registry);
  const text = await registry.disk.readText(path);
  if (text === undefined) return [];
  const suggestions = [`Remove the file, then accept the licence again when you are asked: ${path}`];
  const document = { name: path, code: 'bad-record', suggestions } as const;
  const value = parseJson(text, document);
  refuseNewer(value, path);
  return checkDocument(AcceptanceFile, value, document).acceptances;
}

function isSame(a: Pick<Acceptance, 'licence' | 'textDigest'>, b: Pick<Acceptance, 'licence' | 'textDigest'>): boolean {
  return a.licence === b.licence && a.textDigest === b.textDigest;
}

function pathIn(registry: Registry): string {
  return join(registry.dataDir, 'acceptances.json');
}
