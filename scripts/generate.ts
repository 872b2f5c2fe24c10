/**
 * Writes every generated file: modelfiles/, schemas/ and the parts of docs that come from data.
 * `--check` writes nothing and fails when one is out of step, missing or orphaned.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import * as z from 'zod';
import { Family } from '../src/catalog/schema.ts';
import { matrix } from '../src/compat/matrix.ts';
import { HostProfile } from '../src/hardware/schema.ts';
import { expectedModelfiles } from '../src/modelfile/generate.ts';
import { openCatalog, openTemplates } from '../src/provision/plan/catalog.ts';
import { Settings } from '../src/provision/settings.ts';
import { Acceptance, InstallRecord } from '../src/registry/schema.ts';
import { Suite } from '../src/smoke/schema.ts';
import { compatibilityPage } from './compatibility-page.ts';
import { envelopeOf, RESULTS } from './results.ts';

const root = join(import.meta.dirname, '..');
const GENERATED_FOLDERS = ['modelfiles', 'schemas'];
/** Generated files in folders that also hold others. */
const GENERATED_FILES = ['docs/compatibility.md'];

function schemas(): Map<string, string> {
  const files: Record<string, z.ZodType> = {
    catalog: Family,
    'host-profile': HostProfile,
    suite: Suite,
    record: InstallRecord,
    acceptance: Acceptance,
    config: Settings,
  };
  for (const [command, data] of Object.entries(RESULTS))
    files[`command.${command.replaceAll(' ', '-')}`] = envelopeOf(data);
  return new Map(
    Object.entries(files).map(([name, schema]) => {
      const json = { title: name, ...z.toJSONSchema(schema, { io: 'input' }) };
      return [`schemas/${name}.schema.json`, `${JSON.stringify(json, null, 2)}\n`];
    }),
  );
}

async function expectedFiles(): Promise<Map<string, string>> {
  const nowhere = join(root, 'no-such-folder');
  const catalog = await openCatalog(root, { config: nowhere, data: nowhere, cache: nowhere }, []);
  const families = catalog.families.map(({ family }) => family);
  const pages = [['docs/compatibility.md', compatibilityPage(matrix())]] as const;
  return new Map([...expectedModelfiles(families, await openTemplates(root)), ...schemas(), ...pages]);
}

function actualFiles(): Map<string, string> {
  const texts = new Map<string, string>();
  for (const folder of GENERATED_FOLDERS) {
    mkdirSync(join(root, folder), { recursive: true });
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      texts.set(relative(root, path).replaceAll('\\', '/'), readFileSync(path, 'utf8'));
    }
  }
  for (const path of GENERATED_FILES) {
    if (existsSync(join(root, path))) texts.set(path, readFileSync(join(root, path), 'utf8'));
  }
  return texts;
}

const expected = await expectedFiles();
const actual = actualFiles();
const wrong = [...new Set([...expected.keys(), ...actual.keys()])].filter(
  (path) => expected.get(path) !== actual.get(path),
);

if (process.argv.includes('--check')) {
  for (const path of wrong) {
    const what = !expected.has(path) ? 'orphaned' : actual.has(path) ? 'out of step' : 'missing';
    console.error(`${what}: ${path}`);
  }
  if (wrong.length > 0) console.error('Run npm run generate and commit the result.');
  console.log(`${expected.size} generated files, ${wrong.length} wrong`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
} else {
  for (const path of wrong) {
    const text = expected.get(path);
    if (text === undefined) rmSync(join(root, path));
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }
  console.log(`${expected.size} generated files, ${wrong.length} written or removed`);
}
