/**
 * Bundles the CLI into one file and writes the oclif manifest. One file, since every further one costs a start more
 * than parsing what it does not use: modules behind `import()` stay asleep inside it until they are asked for.
 */
import { globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';
import { type BuildOptions, build } from 'esbuild';
import { openCatalog } from '../src/provision/plan/catalog.ts';
import { lazyOclif, onlyInMainBundle, plainBuiltins } from './bundle-plugins.ts';

const root = join(import.meta.dirname, '..');
const nowhere = join(root, 'no-such-folder');

// The bundle trusts the built-in catalog, so a wrong one must not get this far.
await openCatalog(root, { config: nowhere, data: nowhere, cache: nowhere }, []);

rmSync(join(root, 'dist'), { recursive: true, force: true });
rmSync(join(root, 'oclif.manifest.json'), { force: true });

const plugins = [plainBuiltins, lazyOclif];
const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.20',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  // Native or optional packages stay where npm put them; typescript is only named by a part of oclif that is never reached.
  external: ['node-llama-cpp', 'systeminformation', 'typescript', 'undici'],
  alias: { 'wsl-utils': join(import.meta.dirname, 'wsl-utils.ts') },
  define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
  banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
  plugins,
  logLevel: 'warning',
};

/** The command line, and every command by its id as its place in the folder says. */
function entry(): string {
  const files = globSync('src/commands/**/*.ts', { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
  const imports = files.map((file, index) => `import command${index} from './${file}';`);
  const ids = files.map((file, index) => {
    const id = file
      .replace(/^src\/commands\//, '')
      .replace(/\.ts$/, '')
      .replaceAll('/', ':');
    return `  '${id}': command${index},`;
  });
  return [
    ...imports,
    "import { main as start } from './src/cli/main.ts';",
    `export const COMMANDS = {\n${ids.join('\n')}\n};`,
    'export const main = (root, argv = process.argv.slice(2)) => start(root, argv, { commands: COMMANDS });',
  ].join('\n');
}

/**
 * `check`, which scripts start for every host of a fleet, has a bundle of its own: a third of the other is read faster.
 * It hands over to the other, from the start, what takes more than that: no error class may come from both.
 */
const CHECK_ENTRY = `
  import command from './src/commands/check.ts';
  import { main as start } from './src/cli/main.ts';
  import { readsOwnFiles } from './src/provision/check/target.ts';
  export async function main(root) {
    const argv = process.argv.slice(2);
    if (!readsOwnFiles(argv, process.env)) return start(root, argv, { commands: { check: command } });
    return (await import('./gemma-provision.js')).main(root, argv);
  }
`;

function stdin(contents: string): BuildOptions {
  return { stdin: { contents, resolveDir: root, sourcefile: 'entry.ts', loader: 'ts' } };
}

await build({ ...common, ...stdin(entry()), outfile: 'dist/gemma-provision.js' });
await build({
  ...common,
  ...stdin(CHECK_ENTRY),
  plugins: [onlyInMainBundle('src/cli/wire.ts'), ...plugins],
  outfile: 'dist/check.js',
});
await build({ ...common, entryPoints: ['src/runtimes/embedded/worker.ts'], outfile: 'dist/embedded-worker.js' });

const plugin = new Plugin({
  root,
  type: 'core',
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
});
await plugin.load();
writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest)}\n`);
