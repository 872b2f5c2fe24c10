import { type Home, makeHome } from './cli.ts';
import { type FakeOllama, fakeOllama } from './fake-ollama.ts';

/** A home and a fake server for the command line; `remove` ends both, as the clean-up of `beforeEach` or `beforeAll`. */
export async function homeWithOllama(): Promise<{ home: Home; ollama: FakeOllama; remove(): Promise<void> }> {
  const home = makeHome();
  const ollama = await fakeOllama();
  return {
    home,
    ollama,
    async remove() {
      await ollama.close();
      home.remove();
    },
  };
}
