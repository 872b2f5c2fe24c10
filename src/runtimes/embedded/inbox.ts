import type { FromWorker } from './protocol.ts';

/** Messages of one request, in order; what arrived before a failure is still read. */
export interface Inbox {
  put(message: FromWorker): void;
  fail(error: unknown): void;
  next(): Promise<FromWorker>;
}

export function createInbox(): Inbox {
  const messages: FromWorker[] = [];
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => undefined;
  return {
    put(message) {
      messages.push(message);
      wake();
    },
    fail(error) {
      failure ??= { error };
      wake();
    },
    async next() {
      for (;;) {
        const message = messages.shift();
        if (message !== undefined) return message;
        if (failure !== undefined) throw failure.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
