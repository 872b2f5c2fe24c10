import type { ErrorCode } from '../../core/errors.ts';
import type { ServerSaid } from './faults.ts';

/** What a failure means for the user. */
export interface Meaning {
  readonly code: ErrorCode;
  readonly suggestions: readonly string[];
}

const TOO_OLD: Meaning = {
  code: 'runtime-too-old',
  suggestions: ['Upgrade Ollama.', 'Or use --runtime embedded, which brings its own engine.'],
};

/**
 * The server's own words and what they mean, first match first. Words of 0.1.34 to 0.33; sources: the recorded
 * exchanges, ollama's server/ and llm/ at these tags, and its issue threads.
 */
const WORDS: readonly (readonly [RegExp, Meaning])[] = [
  [/requires a newer version of Ollama|manifest: 412/i, TOO_OLD],
  [/not supported by your version|unknown model architecture|unsupported (model )?architecture/i, TOO_OLD],
  [
    /no space left|not enough space|disk (is )?full|disk quota exceeded/i,
    { code: 'disk-full', suggestions: ["Free space on the disk of the server's models folder (OLLAMA_MODELS)."] },
  ],
  [
    /more system memory|out of memory|insufficient memory|cudaMalloc failed|unable to allocate|failed to allocate|cannot allocate memory/i,
    {
      code: 'memory-short',
      suggestions: [
        'Choose a smaller quant, or a smaller context with --ctx.',
        'Unload other models: ollama stop NAME.',
      ],
    },
  ],
  [
    /server busy|too many requests/i,
    { code: 'runtime-refused', suggestions: ['The server is busy: wait a little and run the command again.'] },
  ],
  [
    /digest mismatch/i,
    { code: 'digest-mismatch', suggestions: ['Check the file, and the digest that was given for it.'] },
  ],
  [
    /llama-quantize (unavailable|binary not found)|llama-server (binary )?not found/i,
    {
      code: 'runtime-missing',
      suggestions: ['The Ollama installation lacks its helper programs: install it again, in full.'],
    },
  ],
  [
    /failed to validate GGUF|invalid file magic|invalid gguf|unsupported gguf|unexpected EOF.*gguf|no tensors/i,
    { code: 'bad-gguf', suggestions: ['The file is damaged, or of an architecture that this server does not know.'] },
  ],
  [/template error|invalid template/i, { code: 'bad-template', suggestions: ['Correct the chat template.'] }],
  [/invalid model name/i, { code: 'bad-name', suggestions: ['Use a name such as gemma-3n-e4b:q5_k_m.'] }],
  [
    /option "[^"]*" must be|invalid options|unknown parameter|prompt is longer than the context|exceeds (the )?(available |maximum )?context/i,
    { code: 'bad-usage', suggestions: ['Correct the parameter, or shorten the prompt.'] },
  ],
  [
    /does not support multimodal|missing data required for image/i,
    { code: 'runtime-refused', suggestions: ['The model takes no pictures as it is stored here: leave them out.'] },
  ],
  [
    /pull model manifest: file does not exist/i,
    { code: 'source-not-found', suggestions: ['Check the name in the library.'] },
  ],
  [
    /dial tcp|no such host|i\/o timeout|TLS handshake|connection (refused|reset)|max retries exceeded/i,
    {
      code: 'network',
      suggestions: ["The server could not reach the registry: check the server's network and proxy."],
    },
  ],
  [
    /model .*not found|no such model/i,
    { code: 'model-not-found', suggestions: ['List what the server has: ollama list.'] },
  ],
  [
    /process (has terminated|no longer running)|runner (has )?(terminated|unexpectedly stopped)/i,
    {
      code: 'runtime-died',
      suggestions: ["The model's process ended: look at the server's log.", 'A smaller quant or context may help.'],
    },
  ],
  [
    /unable to load model|error loading model|failed to load model/i,
    {
      code: 'runtime-refused',
      suggestions: ['The file is damaged, or of an architecture that this server does not know.'],
    },
  ],
];

/** The meaning of a server's error. While probing, only the status counts: the words may be anybody's. */
export function meaningOf(said: ServerSaid, probing: boolean): Meaning {
  const known = probing ? undefined : WORDS.find(([pattern]) => pattern.test(said.message));
  return known?.[1] ?? meaningOfStatus(said.status, probing);
}

function meaningOfStatus(status: number, probing: boolean): Meaning {
  if (status === 401)
    return {
      code: 'unauthorised',
      suggestions: ['Give the credentials of the proxy in the host: http://user:password@host.'],
    };
  if (status === 403) {
    return {
      code: 'runtime-refused',
      suggestions: [
        'A server bound to loopback refuses other host names: use 127.0.0.1, or let its proxy set the Host header.',
      ],
    };
  }
  if (status === 412) return TOO_OLD;
  if (status === 502 || status === 503 || status === 504) {
    return {
      code: 'runtime-refused',
      suggestions: ['The server, or a proxy before it, is busy or starting: run the command again.'],
    };
  }
  if (probing) return { code: 'runtime-not-ollama', suggestions: ['Check host and port: --host HOST or OLLAMA_HOST.'] };
  if (status === 404 || status === 405) {
    return { code: 'runtime-too-old', suggestions: ['The server does not know this call: upgrade Ollama.'] };
  }
  return { code: 'runtime-refused', suggestions: ["Look at the server's log for the reason."] };
}
