/** Environment variables, as `process.env` has them; injected, so that a test can say what is set. */
export type Env = Readonly<Record<string, string | undefined>>;
