import { messageOf, ProvisionError } from '../../core/errors.ts';

export const INSTALL_HINTS = [
  'Install the engine beside gemma-provision: npm install node-llama-cpp@3 (for a global install: npm install -g node-llama-cpp@3).',
  'Or use another runtime: start Ollama and pass --runtime ollama.',
];

export function engineMissing(cause?: unknown): ProvisionError {
  return new ProvisionError(
    'runtime-missing',
    'The embedded runtime needs the package node-llama-cpp, which is not installed.',
    {
      cause,
      suggestions: INSTALL_HINTS,
    },
  );
}

/** For a binding without a binary that runs on this machine. */
export function engineUnusable(cause: unknown): ProvisionError {
  return new ProvisionError(
    'runtime-missing',
    `node-llama-cpp is installed, but has no llama.cpp binary that runs on this machine: ${messageOf(cause)}`,
    {
      cause,
      suggestions: ['Install it again on this machine: npm install node-llama-cpp@3', ...INSTALL_HINTS.slice(1)],
    },
  );
}

/** Says why llama.cpp did not load a file, by its own log: its exception says no more than that it failed. */
export function loadFailure(modelPath: string, cause: unknown, log: readonly string[]): ProvisionError {
  const said = log.filter((line) => !/failed to load model\s*$/.test(line)).slice(-3);
  const text = [messageOf(cause), ...said].join('\n  ');
  const architecture = /unknown model architecture: '([^']+)'/.exec(text)?.[1];
  if (architecture !== undefined)
    return new ProvisionError(
      'runtime-too-old',
      `This llama.cpp does not know the architecture ${architecture} of ${modelPath}.`,
      {
        cause,
        suggestions: [
          'Install the newest engine: npm install node-llama-cpp@3',
          'Check that the file is the model that you want.',
        ],
      },
    );
  if (/insufficient memory|not enough (v?ram|memory)|failed to allocate|out of memory|bad_alloc/i.test(text))
    return new ProvisionError('memory-short', `There is not enough memory to load ${modelPath}:\n  ${text}`, {
      cause,
      suggestions: [
        'Choose a smaller quant, or a shorter context with --ctx.',
        'Close other programs that use much memory.',
      ],
    });
  return new ProvisionError('bad-gguf', `llama.cpp cannot load ${modelPath}:\n  ${text}`, {
    cause,
    suggestions: ['Get the file again and compare its SHA-256 with the publisher’s.'],
  });
}
