import { defineRuntime } from '../contract.ts';
import { EMBEDDED_ENDPOINT, embeddedBlobs, embeddedManifests, FOLDER_NAME } from './folder.ts';

/** llama.cpp inside this tool: our store of models, and an engine in a process of its own. */
export const embedded = defineRuntime({
  kind: 'embedded',
  capabilities: { isServer: false, usesFileTemplate: true },
  endpoint: EMBEDDED_ENDPOINT,
  async open(_flags, context) {
    const { openEmbedded } = await import('./open.ts');
    return openEmbedded(context);
  },
  processId: async () => process.pid,
  ownStore: (dataDir) => ({
    runtime: { kind: 'embedded', endpoint: EMBEDDED_ENDPOINT },
    title: 'the embedded runtime',
    folderName: FOLDER_NAME,
    manifests: embeddedManifests(dataDir),
    blobs: embeddedBlobs(dataDir),
  }),
});
