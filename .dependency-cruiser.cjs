/** The layers in order: a folder imports only folders above it in this list, never folders below. */
const LAYERS = [
  'core',
  'net',
  'disk',
  'cage',
  'trust',
  'compat',
  'catalog',
  'gguf',
  'hardware',
  'fit',
  'sources',
  'modelfile',
  'runtimes',
  'smoke',
  'registry',
  'package',
  'provision',
  'doctor',
  'report',
  'cli',
  'commands',
];

const forbidden = LAYERS.slice(0, -1).map((layer, index) => ({
  name: `${layer}-imports-only-earlier-layers`,
  severity: 'warn',
  comment: `src/${layer} comes before these folders and must not import them`,
  from: { path: `^src/${layer}/` },
  to: { path: `^src/(${LAYERS.slice(index + 1).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'only-cli-and-commands-import-oclif',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli|commands)/' },
      to: { path: 'node_modules/@oclif' },
    },
    {
      name: 'only-net-imports-undici',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/net/' },
      to: { path: 'node_modules/undici/' },
    },
    {
      name: 'only-the-worker-imports-node-llama-cpp',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/runtimes/embedded/worker\\.ts$' },
      to: { path: 'node_modules/node-llama-cpp/' },
    },
    {
      name: 'only-the-cage-runs-templates',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cage/' },
      to: { path: 'node_modules/@huggingface/jinja/' },
    },
    {
      name: 'only-hardware-imports-systeminformation',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(hardware|cli)/' },
      to: { path: 'node_modules/systeminformation/' },
    },
    {
      name: 'source-imports-no-test',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts)/' },
    },
    {
      name: 'no-dev-dependency-in-source',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: 'node_modules/(node-llama-cpp|@types)/' },
    },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
