/** The rooms in the order of the walk: a room may import rooms before it, never rooms after it. */
const ROOMS = [
  'core',
  'trust',
  'catalog',
  'gguf',
  'hardware',
  'compat',
  'fit',
  'sources',
  'modelfile',
  'runtimes',
  'smoke',
  'registry',
  'bundle',
  'doctor',
  'provision',
  'report',
  'cli',
  'commands',
];

const forbidden = ROOMS.slice(0, -1).map((room, index) => ({
  name: `${room}-looks-left-only`,
  severity: 'error',
  comment: `src/${room} comes before these rooms in the walk and must not know them`,
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${ROOMS.slice(index + 1).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'rooms-know-no-oclif',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli|commands)/' },
      to: { path: 'node_modules/@oclif' },
    },
    {
      name: 'only-its-adapter-imports-ollama',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/runtimes/ollama/' },
      to: { path: 'node_modules/ollama/' },
    },
    {
      name: 'only-the-worker-imports-node-llama-cpp',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/runtimes/embedded/worker\\.ts$' },
      to: { path: 'node_modules/node-llama-cpp/' },
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
