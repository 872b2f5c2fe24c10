import type { Message } from '../contract.ts';

/**
 * An answer without thoughts before it. Left to themselves, servers from 0.20 on switch them on for every model that has them;
 * those before 0.9.0 ignore the field.
 */
export const NO_THOUGHTS = { think: false } as const;

/** Messages in the form of Ollama's API, which takes pictures and sounds in one list of base64 and tells them apart by their bytes. */
export function messagesFor(messages: readonly Message[]) {
  return messages.map(({ role, content, images = [], sounds = [] }) => ({
    role,
    content,
    ...(images.length + sounds.length > 0 && { images: [...images, ...sounds] }),
  }));
}
