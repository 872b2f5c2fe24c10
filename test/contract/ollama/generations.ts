import { expect } from 'vitest';
import { parseHost } from '../../../src/runtimes/ollama/host.ts';
import { type OllamaRuntime, ollamaRuntime } from '../../../src/runtimes/ollama/runtime.ts';
import { specOf, zeroFile } from '../../helpers/runtime-fakes.ts';
import { loadTranscript, type Recorded } from '../../helpers/transcripts.ts';

export const BASE = 'http://ollama.test:11434';
export const NAME = 'tiny-gemma-3n:t';

export interface Generation {
  /** Its create wants Modelfile text. */
  readonly modelfile?: true;
  readonly engine: string;
  /** It has gemma3n. */
  readonly runs: boolean;
  /** It looks at a template only when it uses it. */
  readonly takesAnyTemplate?: true;
  /** A failed create leaves an entry without layers. */
  readonly stub?: true;
  /** It rewrites files and prefers their Jinja templates. */
  readonly rewrites?: true;
  /** It shows a prompt without generating. */
  readonly renders?: true;
  /** Tokens of one raw prompt with `<bos>` in front; 18 without. It strips it, or the model sees two. */
  readonly withBos?: 18 | 19;
  /** What it makes of 2000 words with a context of 512. */
  readonly tooLong?: 512 | 'bad-usage';
  /** It tells the context in force, and what the model can do. */
  readonly tellsContext?: true;
  readonly capabilities?: readonly string[];
  /** It says so when a model takes no pictures, instead of ignoring them. */
  readonly refusesPictures?: true;
}

/** What differs between the generations; everything else must be the same. */
export const GENERATIONS: Readonly<Record<Recorded, Generation>> = {
  '0.1.34': { modelfile: true, engine: 'ollama-a1', runs: false, takesAnyTemplate: true },
  '0.5.4': { modelfile: true, engine: 'ollama-a1', runs: false },
  '0.5.13': { engine: 'ollama-a1', runs: false, stub: true },
  '0.9.6': { engine: 'ollama-a1', runs: true, stub: true, withBos: 19, tooLong: 512, capabilities: ['completion'] },
  '0.10.0': {
    engine: 'ollama-a1',
    runs: true,
    stub: true,
    withBos: 19,
    tooLong: 512,
    tellsContext: true,
    capabilities: ['completion'],
  },
  '0.24.0': {
    engine: 'ollama-a2',
    runs: true,
    renders: true,
    withBos: 19,
    tooLong: 'bad-usage',
    tellsContext: true,
    capabilities: ['completion'],
  },
  '0.33.0-rc2': {
    engine: 'ollama-b',
    runs: true,
    rewrites: true,
    renders: true,
    withBos: 18,
    tooLong: 'bad-usage',
    tellsContext: true,
    capabilities: ['completion'],
    refusesPictures: true,
  },
};

/** Template and parameters of every recorded create. */
export const SPEC = specOf(loadTranscript('0.5.13', BASE).exchange('create').request.body);

/** The adapter as it talks to a recorded server; `hashed` gets the paths of the files that it hashes itself. */
export function adapterAt(base: string, hashed: string[] = []): OllamaRuntime {
  let clock = 0;
  return ollamaRuntime({
    host: parseHost(base),
    files: {
      open: zeroFile,
      async *hash(file) {
        hashed.push(file.path);
        yield { type: 'bytes', id: 'hash', done: file.sizeBytes, total: file.sizeBytes };
        return file.digest ?? expect.fail('no digest');
      },
    },
    now: () => {
      clock += 5;
      return clock;
    },
  });
}
