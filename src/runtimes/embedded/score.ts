/** How a model's probabilities of the next token differ from a reference's, position by position of a text. */
import { Buffer } from 'node:buffer';
import { digestOf } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Disk } from '../../disk/port.ts';
import type { Score, ScoredText } from '../contract.ts';
import type { Engine } from './engine.ts';
import type { ScoreOptions } from './protocol.ts';

/** Tokens that are read at once, the BOS included: a short context costs little, and every model has it. */
const WINDOW = 256;

/** The first tokens of a window are read and not scored: with little before them every model guesses. */
const LEAD = 32;

/**
 * Reads the text in windows and scores every position of each after its lead. The reference's log-probabilities go to a file
 * of 4 bytes a token of the vocabulary a position (about 1 MiB for Gemma's): two models are never in memory together.
 */
export async function* scoreText(
  engine: Engine,
  { text, positions, scores, role }: ScoreOptions,
  { disk, signal }: { readonly disk: Pick<Disk, 'open'>; readonly signal: AbortSignal },
): AsyncGenerator<Score, ScoredText, undefined> {
  const windows = windowsOf(engine, text, positions);
  const file = await disk.open(scores, role === 'reference' ? 'wx' : 'r');
  let vocabulary = 0;
  let at = 0;
  try {
    for (const window of windows) {
      for await (const own of engine.logProbabilities(window, LEAD, signal)) {
        vocabulary = own.length;
        const bytes = Buffer.from(own.buffer, own.byteOffset, own.byteLength);
        if (role === 'reference') {
          await file.writeFile(bytes);
          yield { divergence: 0, agrees: true };
        } else {
          const reference = new Float32Array(vocabulary);
          const into = Buffer.from(reference.buffer);
          const { bytesRead } = await file.read(into, 0, into.length, at);
          if (bytesRead !== into.length) throw otherVocabulary();
          at += into.length;
          yield compare(reference, own);
        }
      }
    }
    // A smaller vocabulary reads rows of the wrong length without reaching the end of the file.
    if (role === 'candidate' && (await file.stat({ bigint: true })).size !== BigInt(at)) throw otherVocabulary();
  } finally {
    await file.close();
  }
  return { tokens: digestOf(JSON.stringify(windows)), vocabulary };
}

/** KL divergence of the candidate from the reference, and whether both would say the same next. */
export function compare(reference: Float32Array, candidate: Float32Array): Score {
  let divergence = 0;
  let best = 0;
  let bestOfCandidate = 0;
  for (let token = 0; token < reference.length; token += 1) {
    const wanted = reference[token] ?? 0;
    const got = candidate[token] ?? 0;
    divergence += Math.exp(wanted) * (wanted - got);
    if (wanted > (reference[best] ?? 0)) best = token;
    if (got > (candidate[bestOfCandidate] ?? 0)) bestOfCandidate = token;
  }
  // Rounding makes a hair less than 0 of two equal ones.
  return { divergence: Math.max(0, divergence), agrees: best === bestOfCandidate };
}

function windowsOf(engine: Engine, text: string, positions: number): number[][] {
  const tokens = engine.tokenize(text);
  const bos = engine.addBos && engine.bos !== undefined ? [engine.bos.token] : [];
  const windows: number[][] = [];
  let left = positions;
  const step = WINDOW - bos.length;
  for (let at = 0; at < tokens.length && left > 0; at += step) {
    const window = [...bos, ...tokens.slice(at, at + step)].slice(0, LEAD + left);
    if (window.length <= LEAD) break;
    left -= window.length - LEAD;
    windows.push(window);
  }
  if (windows.length > 0) return windows;
  throw new ProvisionError('bad-usage', `The text has ${tokens.length} tokens, too few to be scored.`, {
    suggestions: [`Pass a text of more than ${LEAD} tokens.`],
  });
}

function otherVocabulary(): ProvisionError {
  return new ProvisionError('bad-usage', 'The two files have different vocabularies: they cannot be compared.', {
    suggestions: ['Compare quants of one model.'],
  });
}
