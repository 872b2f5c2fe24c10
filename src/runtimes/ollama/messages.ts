import type { Message } from '../contract.ts';

/** Messages in the form of Ollama's API, which takes pictures in base64. */
export function messagesFor(messages: readonly Message[]) {
  return messages.map(({ role, content, images }) => ({
    role,
    content,
    ...(images && images.length > 0 && { images }),
  }));
}
