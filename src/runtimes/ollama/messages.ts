import type { Message } from '../contract.ts';

/**
 * Messages for the ollama client, which wants arrays of its own. Pictures go as bytes: the client takes a text for the
 * path of a file first, and would send that file's content if there is one by that name.
 */
export function messagesFor(messages: readonly Message[]) {
  return messages.map(({ role, content, images }) => ({
    role,
    content,
    ...(images && images.length > 0 && { images: images.map((image): Uint8Array => Buffer.from(image, 'base64')) }),
  }));
}
