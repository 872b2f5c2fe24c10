/**
 * What makes a bundled start quick, measured by bench/startup.ts. Both plug-ins change how modules are loaded, never
 * what they do; the end-to-end tests run the built CLI, so they see what these two made of it.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * A static `import … from 'node:fs'` makes Node build a facade of every export, and reading them all loads streams,
 * promises and more. `process.getBuiltinModule` hands over the plain object instead.
 */
export const plainBuiltins: Plugin = {
  name: 'plain-builtins',
  setup(build) {
    const names = builtinModules.filter((name) => !name.startsWith('_')).join('|');
    build.onResolve({ filter: new RegExp(`^(node:.*|${names})$`) }, ({ path }) => ({
      path: path.replace(/^node:/, ''),
      namespace: 'builtin',
      sideEffects: false,
    }));
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: path === 'util' ? LAZY_UTIL : `module.exports = process.getBuiltinModule('node:${path}')`,
      loader: 'js',
    }));
  },
};

/** node:util has members that load modules when somebody looks at as much as their descriptor, as esbuild's import does. */
const LAZY_UTIL = `
  const util = process.getBuiltinModule('node:util');
  for (const name of Object.getOwnPropertyNames(util)) {
    Object.defineProperty(module.exports, name, { get: () => util[name], enumerable: true });
  }`;

/** Leaves the main bundle outside, and with it a module of ours that only it needs, with all that is behind it. */
export function onlyInMainBundle(path: string): Plugin {
  const external = { path: './gemma-provision.js', external: true };
  return {
    name: 'only-in-main-bundle',
    setup(build) {
      build.onResolve({ filter: /gemma-provision\.js$/ }, () => external);
      build.onResolve({ filter: /\.ts$/ }, ({ path: wanted, resolveDir, kind }) => {
        const found = join(resolveDir, wanted).replaceAll('\\', '/');
        return kind === 'dynamic-import' && found.endsWith(`/${path}`) ? external : undefined;
      });
    },
  };
}

const REQUIRE_LINE = /^(?:const|var) (\w+) = ((?:__import(?:Default|Star)\()?require\("[^"]+"\)\)?);$/gm;

/**
 * `@oclif/core` is CommonJS as tsc writes it: `const x_1 = require("x")` or `var` at the top, `x_1.name` at each use. The
 * requires become memoised functions, so that a run executes only the modules that it reaches.
 */
export const lazyOclif: Plugin = {
  name: 'lazy-oclif',
  setup(build) {
    build.onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/].*\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const contents = [...source.matchAll(REQUIRE_LINE)].reduce(makeLazy, patched(path, source));
      return { contents, loader: 'js' };
    });
  },
};

function makeLazy(source: string, [line, name = '', call = '']: RegExpExecArray): string {
  const use = new RegExp(`(?<![.\\w$'"])${name}(?![\\w$'"]|: )`, 'g');
  const lazy = source.replace(line, '').replaceAll(use, `(${name}())`);
  return `${lazy}\nvar ${name}$value; function ${name}() { return ${name}$value ??= ${call}; }`;
}

/** Lines of oclif that cost a start more than they bring: file, text that must be there, what it becomes. */
const PATCHES: readonly (readonly [string, string, string])[] = [
  // The first localeCompare of a process loads the collation tables.
  ['config/plugin.js', 'a.id.localeCompare(b.id)', '(a.id < b.id ? -1 : 1)'],
  // A configuration that is loaded already would be loaded again by `run`, and once more by the command.
  [
    'config/config.js',
    'if (isConfig(opts)) {',
    'if (opts instanceof Config) return opts;\n        if (isConfig(opts)) {',
  ],
  // Whether a command is deprecated is asked by loading the help; none of ours is.
  [
    'command.js',
    'const [id] = (0, util_1.normalizeArgv)(this.config);',
    "if (!this.ctor.deprecateAliases && this.ctor.state !== 'deprecated') return;\n        const [id] = (0, util_1.normalizeArgv)(this.config);",
  ],
  // The promises of node:fs take longer to load than the two small files to read.
  ['util/fs.js', "await (0, promises_1.readFile)(path, 'utf8')", "(0, node_fs_1.readFileSync)(path, 'utf8')"],
  // The package debug loads tty and net, for runs that print none of it.
  ['logger.js', '(0, debug_1.default)(namespace)', '(process.env.DEBUG ? debug_1.default : () => () => {})(namespace)'],
];

function patched(path: string, source: string): string {
  return PATCHES.reduce((text, [file, from, to]) => {
    if (!path.replaceAll('\\', '/').endsWith(`core/lib/${file}`)) return text;
    if (!text.includes(from)) throw new Error(`@oclif/core changed: look at the patch of ${file}`);
    return text.replaceAll(from, to);
  }, source);
}
