export { loadBuiltInSuite, loadSuiteFile, type SuiteFiles, suiteIds } from './load.ts';
export { templateMarkersOf } from './markers.ts';
export { countedOf, prove, unprovable } from './proof/index.ts';
export { type RunSuite, runSuite } from './run.ts';
