import { ProvisionError } from '../../core/errors.ts';
import { defineCheck } from '../contract.ts';
import { findingOf, ok, skipped } from '../findings.ts';

/** Whether the embedded runtime is there; where an install would use it, also whether it really runs on this machine. */
export const embedded = defineCheck({
  id: 'embedded',
  title: 'Embedded runtime',
  async run(view, signal) {
    const needed = !view.wanted.serverOnly && (await view.target()) !== 'server';
    try {
      const version = await view.embedded.version(signal);
      if (!needed) return ok(`node-llama-cpp ${version} is installed; an install would use the server.`);
      await view.embedded.tryOut(signal);
      return ok(`node-llama-cpp ${version} loads a model and answers.`);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ProvisionError)) throw error;
      return needed ? findingOf('problem', error) : skipped(`${error.message} An install would use the server.`);
    }
  },
});
