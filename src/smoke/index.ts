export { loadBuiltInSuite, loadSuiteFile, type SuiteFiles, suiteIds } from './load.ts';
export { templateMarkersOf } from './markers.ts';
export { proveTested } from './prompt/tested.ts';
export { unprovable } from './prompt/unprovable.ts';
export { type RunSuite, runSuite } from './run.ts';
