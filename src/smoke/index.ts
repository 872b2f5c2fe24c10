export { loadBuiltInSuite, loadSuiteFile, type SuiteFiles, suiteIds } from './load.ts';
export { templateMarkersOf } from './markers.ts';
export { proveTested } from './proof/tested.ts';
export { unprovable } from './proof/unprovable.ts';
export { type RunSuite, runSuite } from './run.ts';
