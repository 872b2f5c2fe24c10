import { ProvisionError } from '../core/errors.ts';
import { defineSource, type Source } from './contract.ts';
import { restOf, schemeOf } from './reference.ts';

/** `gemma3n:e4b`, `library/gemma3n`, `registry.example/ns/name:tag`: Ollama's characters, no more is checked here. */
const LIBRARY_NAME = /^[a-z0-9][a-z0-9._/-]*(:[a-z0-9][a-z0-9._-]*)?$/i;

/** `ollama:gemma3n:e4b`: a model of Ollama's library, which the server pulls itself. */
export const librarySource: Source = defineSource({
  scheme: 'ollama',
  description: 'a pre-built model of the Ollama library, pulled by the server itself',
  matches: (ref) => schemeOf(ref) === 'ollama',
  resolve: async ({ ref, expected }) => {
    const name = restOf(ref);
    if (!LIBRARY_NAME.test(name))
      throw new ProvisionError('bad-usage', `${JSON.stringify(ref)} does not name a model of the Ollama library.`, {
        suggestions: ['Write it as ollama:NAME[:TAG], for example ollama:gemma3n:e4b.'],
      });
    if (expected?.digest !== undefined)
      throw new ProvisionError(
        'bad-usage',
        `A digest cannot be required for ${ref}: the server pulls the model itself.`,
        {
          suggestions: ['Omit --digest, or install from a file of your own with --from PATH.'],
        },
      );
    return { kind: 'library', ref, name };
  },
});

/** The library where nothing may be downloaded, not even by the server: every model of it is refused. */
export const offlineLibrary: Source = {
  ...librarySource,
  resolve: async ({ ref }) => {
    const why = 'is pulled by the server from its library, and nothing may be downloaded (--offline)';
    throw new ProvisionError('network', `${ref} ${why}.`, {
      suggestions: ['Pass a file of this machine with --from PATH, or leave --offline out.'],
    });
  },
};
