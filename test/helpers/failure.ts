import { ProvisionError } from '../../src/core/errors.ts';

/** For work that nothing interrupts. */
export const never: AbortSignal = new AbortController().signal;

/** The error with which work ends that must fail. Anything else than a ProvisionError fails the test, success as well. */
export async function failureOf(work: Promise<unknown> | (() => unknown) | undefined): Promise<ProvisionError> {
  let value: unknown;
  try {
    value = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof ProvisionError) return error;
    throw error;
  }
  throw new Error(`It did not fail; its result is ${JSON.stringify(value)}.`);
}
