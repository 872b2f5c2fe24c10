import { realDisk } from '../../disk/disk.ts';
import { findServerProcess } from '../../hardware/server-process.ts';
import { defineRuntime } from '../contract.ts';

/** Ollama's server: the store and the engine in one. */
export const ollama = defineRuntime({
  kind: 'ollama',
  capabilities: { isServer: true, usesFileTemplate: false },
  async open(flags, context) {
    const { openOllama } = await import('./open.ts');
    return openOllama(flags, context);
  },
  async processId(endpoint, signal) {
    if (!URL.canParse(endpoint)) return undefined;
    const where = { platform: process.platform, disk: realDisk };
    const { pid, passesOn } = await findServerProcess(where, new URL(endpoint), signal);
    return passesOn ? undefined : pid;
  },
  removeCommand: (name) => `ollama rm ${name}`,
});
