/** How the conversations of a model are written: what the family says, unless the model has its own format. */
import type { Family, MinimumVersion, Model } from './schema.ts';

/** Name of the model's template in `templates/chat/`. */
export function chatTemplateName(family: Pick<Family, 'chatTemplate'>, model?: Pick<Model, 'chat'>): string {
  return model?.chat?.template ?? family.chatTemplate;
}

/** Names of all templates of a family, the family's own first. */
export function chatTemplateNames(family: Pick<Family, 'chatTemplate' | 'models'>): string[] {
  return [...new Set([family.chatTemplate, ...family.models.map((model) => chatTemplateName(family, model))])];
}

/** The row about Ollama that a model has of its own, beyond its family's. */
export function ownMinimumOllama({ minimumVersions = [] }: Pick<Model, 'minimumVersions'>): MinimumVersion | undefined {
  return minimumVersions.find(({ software }) => software.toLowerCase() === 'ollama');
}

/** Texts of the format that never belong into an answer: those of thoughts and of tools. */
export function formatMarkers({ chat }: Pick<Model, 'chat'>): string[] {
  const { thinking, tools } = chat ?? {};
  return [thinking?.switch, thinking?.opens, thinking?.closes, ...Object.values(tools ?? {})].flatMap((text) =>
    text === undefined ? [] : [text.trim()],
  );
}

/** What a model asks of an Ollama beyond its architecture, in the words of the compatibility check. */
export function ollamaNeeds(model: Pick<Model, 'id' | 'chat' | 'minimumVersions'>) {
  const minimum = ownMinimumOllama(model);
  return {
    ...(model.chat?.ollama !== undefined && { renderer: model.chat.ollama.renderer }),
    ...(minimum !== undefined && { model: { id: model.id, since: minimum.version, why: minimum.why } }),
  };
}
