import type { Agent } from 'undici';

/**
 * The part of undici that is needed without a proxy, by its own path: the package as a whole (fetch, WebSocket, caches,
 * …) takes 90 ms and 14 MiB more. Where a release has it elsewhere, the whole is loaded.
 */
export async function loadAgent(): Promise<typeof Agent> {
  try {
    return (await import('undici/lib/dispatcher/agent.js')).default;
  } catch {
    return (await import('undici')).Agent;
  }
}
