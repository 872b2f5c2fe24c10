// zod reads this object when it is first loaded: compiling schemas to code costs a start more than the few documents of
// a run give back. Imported first of all, and without zod itself, which many runs never need.
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } });
