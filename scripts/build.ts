/** Bundles the CLI, each command as a module that is loaded when it runs, and writes the oclif manifest. */
import { globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';
import { build } from 'esbuild';
import { openCatalog } from '../src/provision/plan/catalog.ts';

const root = join(import.meta.dirname, '..');
const nowhere = join(root, 'no-such-folder');

// The bundle trusts the built-in catalog, so a wrong one must not get this far.
await openCatalog(root, { config: nowhere, data: nowhere, cache: nowhere }, []);

rmSync(join(root, 'dist'), { recursive: true, force: true });
rmSync(join(root, 'oclif.manifest.json'), { force: true });

const commands = globSync('src/commands/**/*.ts', { cwd: root }).map((file) => file.replaceAll('\\', '/'));

await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'src/cli/main.ts', out: 'main' },
    { in: 'src/runtimes/embedded/worker.ts', out: 'embedded-worker' },
    { in: 'src/cage/child.ts', out: 'cage' },
    { in: 'src/cage/owner-child.ts', out: 'owner-disk' },
    ...commands.map((file) => ({ in: file, out: file.replace(/^src\/(.*)\.ts$/, '$1') })),
  ],
  outdir: 'dist',
  chunkNames: 'shared/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.20',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  // Native or optional packages stay where npm put them; typescript is only named by a part of oclif that is never reached.
  external: ['node-llama-cpp', 'systeminformation', 'typescript', 'undici'],
  banner: {
    js: [
      "import { createRequire as createRequireHere } from 'node:module';",
      'const require = createRequireHere(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;',
    ].join('\n'),
  },
  logLevel: 'warning',
});

const plugin = new Plugin({
  root,
  type: 'core',
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
});
await plugin.load();
writeFileSync(join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest)}\n`);
