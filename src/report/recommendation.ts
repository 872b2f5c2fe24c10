import Handlebars from 'handlebars';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { cleaned } from './clean.ts';
import { MARKER } from './marker.ts';
import type { RecommendationData } from './schema.ts';
import { pageView } from './view.ts';

/**
 * A recommendation as one self-contained page: no script, no request. The template only inserts values and escapes
 * each of them. Throws `bad-template` where it names a value that does not exist.
 */
export function recommendationPage(data: RecommendationData, template: string): string {
  const view = cleaned(pageView(data));
  try {
    const page = Handlebars.compile(template, { strict: true })(view);
    if (page.includes(MARKER)) return page;
  } catch (cause) {
    throw new ProvisionError('bad-template', `the template of the page is wrong: ${messageOf(cause)}`, { cause });
  }
  throw new ProvisionError('bad-template', 'the template of the page has no generator mark');
}
