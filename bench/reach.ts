/**
 * How much of the source one command reaches, by V8 coverage of the unbundled sources: node bench/reach.ts
 *
 * A file counts when at least one of its functions ran; code that runs because the module is loaded does not count, and
 * neither do command files other than the one that was asked for. Figures to read a change by, never goals.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fakeOllama } from '../test/helpers/fake-ollama.ts';
import { startOrigin } from '../test/helpers/origin.ts';

const root = join(import.meta.dirname, '..');
const model = join(root, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');

interface Flow {
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
}

interface Reach {
  readonly files: number;
  readonly functions: number;
  readonly loaded: number;
}

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly count: number }[];
    }[];
  }[];
}

/** Runs one command from the sources in an empty home and reads what ran. */
async function reachOf({ command, args }: Flow, home: string): Promise<Reach> {
  const coverage = mkdtempSync(join(home, 'coverage-'));
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: home, GEMMA_PROVISION_HOME: home, GEMMA_PROVISION_GPU: 'off', NODE_V8_COVERAGE: coverage };
  const child = spawn(process.execPath, [join(root, 'bin/dev.js'), command, ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
  return readCoverage(coverage, command);
}

function readCoverage(folder: string, command: string): Reach {
  const source = pathToFileURL(join(root, 'src/')).href;
  const ran = new Map<string, number>();
  const loaded = new Set<string>();
  for (const name of readdirSync(folder)) {
    const { result }: Coverage = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    for (const { url, functions } of result.filter((script) => script.url.startsWith(source))) {
      const file = relative(root, new URL(url).pathname);
      if (file.startsWith('src/commands/') && file !== `src/commands/${command}.ts`) continue;
      loaded.add(file);
      // The first entry of a script is the module itself.
      const count = functions.slice(1).filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0).length;
      if (count > 0) ran.set(file, (ran.get(file) ?? 0) + count);
    }
  }
  return { files: ran.size, functions: [...ran.values()].reduce((sum, count) => sum + count, 0), loaded: loaded.size };
}

function sizeOfTree(): { files: number; lines: number; median: number } {
  const lines = globSync('src/**/*.ts', { cwd: root })
    .map((file) => readFileSync(join(root, file), 'utf8').split('\n').length - 1)
    .sort((a, b) => a - b);
  return {
    files: lines.length,
    lines: lines.reduce((sum, each) => sum + each, 0),
    median: lines[Math.floor(lines.length / 2)] ?? 0,
  };
}

const bytes = readFileSync(model);
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const ollama = await fakeOllama();
const origin = await startOrigin({
  files: { '/m.gguf': bytes },
  behave: (_, { method, number }) => (method === 'GET' && number <= 1 ? { cutAfter: 1_000_000 } : {}),
});
const profile = join(root, 'test/fixtures/profiles/nvidia-rtx-4060-8gb.json');
const flows: readonly Flow[] = [
  {
    title: 'install from a file',
    command: 'install',
    args: ['tiny-gemma-3n', '--from', model, '--host', ollama.host, '--accept-license'],
  },
  { title: 'recommend', command: 'recommend', args: ['gemma-3n-e4b', '--profile', profile] },
  { title: 'download, cut once', command: 'pull', args: [`${origin.url}/m.gguf`, '--digest', digest] },
];

try {
  const { files, lines, median } = sizeOfTree();
  console.log(`src: ${files} files, ${lines} lines, median ${median}`);
  console.log(`${'flow'.padEnd(22)} ${'files'.padStart(6)} ${'functions'.padStart(10)} ${'loaded'.padStart(7)}`);
  for (const flow of flows) {
    const home = mkdtempSync(join(tmpdir(), 'gemma-provision-reach-'));
    try {
      const reach = await reachOf(flow, home);
      const cells = [`${reach.files}`.padStart(6), `${reach.functions}`.padStart(10), `${reach.loaded}`.padStart(7)];
      console.log(`${flow.title.padEnd(22)} ${cells.join(' ')}`);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }
} finally {
  await Promise.all([ollama.close(), origin.close()]);
}
