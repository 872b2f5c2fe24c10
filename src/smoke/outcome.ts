import type { Asked, RunSuite } from './ask.ts';
import { type Evidence, objectionOf } from './judges.ts';
import type { Check, CheckResult, Judge } from './schema.ts';

/** What is wrong with an answer. */
export interface Fault {
  readonly message: string;
  /** Of an advisory judge: does not fail the suite. */
  readonly advisory: boolean;
}

type Measured = Pick<CheckResult, 'promptTokens' | 'firstTokenMs' | 'tokensPerSecond' | 'fill' | 'pace'>;

/** How one check went: not run for want of something, or judged. */
export type Outcome =
  | { readonly skipped: string }
  | {
      readonly fault: Fault | undefined;
      readonly answer: string;
      /** For a person, when all is well. */
      readonly detail: string;
      readonly measured: Measured;
    };

/** The first fault that counts, else the first advisory one. */
export function faultOf(
  run: RunSuite,
  check: Check,
  asked: Asked,
  objectToJson?: Evidence['objectToJson'],
): Fault | undefined {
  const evidence: Evidence = {
    text: asked.text,
    endedBy: asked.endedBy,
    answerTokens: asked.answerTokens,
    templateMarkers: [...new Set([...run.templateMarkers, ...run.stop])],
    mayRunOn: check.mayRunOn ?? false,
    ...(objectToJson && { objectToJson }),
  };
  const faults = judgesOf(check).flatMap((judge): Fault[] => {
    const message = objectionOf(judge, evidence);
    return message === undefined ? [] : [{ message, advisory: judge.advisory ?? false }];
  });
  return faults.find((fault) => !fault.advisory) ?? faults[0];
}

function judgesOf(check: Check): readonly Judge[] {
  return check.level === 'loads' ? check.judges : [{ kind: 'wellFormed' }, ...check.judges];
}

/** Speeds of a request, and its prompt's tokens where the prompt was no more than the check's messages. */
export function measuredOf(check: Check, asked: Asked): Measured {
  const plain = check.fill === undefined && check.messages.every(({ images }) => images === undefined);
  return {
    ...(plain && { promptTokens: asked.promptTokens }),
    firstTokenMs: asked.firstTokenMs,
    ...(asked.tokensPerSecond !== undefined && { tokensPerSecond: asked.tokensPerSecond }),
  };
}
