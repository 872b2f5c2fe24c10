import type { Difference, Finding } from './schema.ts';

/** Constructors of findings: each says what is wrong, and what a user can do about it. */

const AGAIN = 'install it again with gemma-provision';

export function doubleBos(count: number, bos: string): Finding {
  return fault(
    'double-bos',
    `The prompt starts with ${count} BOS tokens: its template writes ${bos}, and the tokenizer adds one.`,
    `Remove ${bos} from the template of the model, because the runtime adds it: ${AGAIN}.`,
  );
}

export function missingBos(bos: string): Finding {
  return fault(
    'missing-bos',
    `The prompt does not start with a BOS token: the tokenizer does not add one (add_bos_token), and the template does not write ${bos}.`,
    'Use a file whose tokenizer adds BOS (tokenizer.ggml.add_bos_token), as the publisher’s current one does.',
  );
}

export function wrongRole(effective: string, expected: string): Finding {
  return fault(
    'wrong-role',
    `A turn starts with the role ${JSON.stringify(effective)}; the model was trained with ${JSON.stringify(expected)}.`,
    `Write ${expected} in the template of the model: ${AGAIN}.`,
  );
}

export function systemLost(): Finding {
  return fault(
    'system-lost',
    'The system text does not reach the model.',
    `Create the model with a template that writes the system text: ${AGAIN}.`,
  );
}

/** `harmless`: no prompt is wrong, with either template. */
export function templateSwallowed(harmless: boolean): Finding {
  const message =
    'The server uses the Jinja template of the model file instead of the TEMPLATE that the model was created with';
  return {
    id: 'template-swallowed',
    severity: harmless ? 'warning' : 'fault',
    message: harmless ? `${message}; no compared prompt differs because of this.` : `${message}.`,
    remedy:
      'Start the server with OLLAMA_GO_TEMPLATE=1, so that the TEMPLATE is used, or use a file with the official Jinja template.',
  };
}

export function templateDiffers(title: string, { at, effective, expected }: Difference): Finding {
  return fault(
    'template-differs',
    `For ${title}, the prompt differs at character ${at}: the model receives ${quoteText(effective)} but was trained with ${quoteText(expected)}.`,
    `Create the model with the template of its family: ${AGAIN}.`,
  );
}

/** One RENDERER for several prompts: which one is used may change with a new name. */
export function rendererChooses(renderer: string, how: string, isFault: boolean): Finding {
  return {
    id: 'renderer-by-name',
    severity: isFault ? 'fault' : 'warning',
    message: `With RENDERER ${renderer}, the server ${how}; a copy under another name may receive another prompt.`,
    remedy: `Create the model with the RENDERER of its size: ${AGAIN}.`,
  };
}

export function tokenCountDiffers(title: string, tokens: { effective: number; expected: number }): Finding {
  return fault(
    'token-count-differs',
    `For ${title}, the model receives ${tokens.effective} tokens; the expected prompt has ${tokens.expected}.`,
    `Create the model with the template of its family: ${AGAIN}. Ollama 0.11.5 and later shows the prompt itself.`,
  );
}

export function contextShorter(inForce: number, wanted: number): Finding {
  return fault(
    'context-shorter',
    `The loaded model has a context of ${inForce} tokens, but its parameters request ${wanted}: longer conversations are cut.`,
    'Set --ctx to at most what the model was trained for; unload other models if memory is short.',
  );
}

export function contextUnknown(): Finding {
  return unknown(
    'the runtime does not report the context length in force',
    'Ollama 0.10.0 and later reports it, unless the same file is loaded under another name: stop that model first.',
  );
}

export function shapeRefused(title: string): Finding {
  return unknown(`the reference template refuses ${title}`, 'No action is needed if you do not use it.');
}

export function contextTooShort(title: string, context: number): Finding {
  return unknown(
    `a context of ${context} tokens may be too short for ${title}, and runtimes cut a prompt to fit`,
    'Repeat the proof with a context of 1024 tokens or more (--ctx).',
  );
}

export function bosUnknown(why: string): Finding {
  return unknown(
    `the number of BOS tokens could not be determined: ${why}`,
    'Fix the other findings first. Ollama 0.2.0 and later (except 0.30.0) counts all tokens of a prompt.',
  );
}

export function unknown(what: string, remedy: string): Finding {
  return { id: 'not-provable', severity: 'warning', message: `Not proven: ${what}.`, remedy };
}

function fault(id: Finding['id'], message: string, remedy: string): Finding {
  return { id, severity: 'fault', message, remedy };
}

function quoteText(text: string): string {
  return text === '' ? 'nothing more' : JSON.stringify(text);
}

/** A stop token of the family that is missing from the model's parameters. */
export function missingStop(token: string): Finding {
  return {
    id: 'missing-stop',
    severity: 'fault',
    message: `${token} is not among the model's stop parameters, so answers may continue into a user turn.`,
    remedy: `Create the model with PARAMETER stop "${token}": install it again with gemma-provision.`,
  };
}

/** Says what could not be established, and why. */
export function notProvable(why: string): Finding {
  return {
    id: 'not-provable',
    severity: 'warning',
    message: `The prompt could not be proven: ${why}.`,
    remedy: 'Check the answers of the smoke test; a newer server shows its prompt (Ollama 0.11.5 and later).',
  };
}
