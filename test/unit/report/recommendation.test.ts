import { describe, expect, test } from 'vitest';
import { GIB } from '../../../src/core/units.ts';
import { isOurPage } from '../../../src/report/marker.ts';
import { recommendationPage } from '../../../src/report/recommendation.ts';
import { host, nvidia } from '../fit/support.ts';
import { dataFor, EIGHT, elementsOf, page, TEMPLATE } from './support.ts';

const ELEMENTS = elementsOf(page(dataFor(EIGHT, { table: true })));

function named(name: string) {
  return ELEMENTS.filter((element) => element.name === name);
}

describe('the page stands alone', () => {
  test('no script, no request, and a policy that forbids both', () => {
    const html = page();
    const names = new Set(elementsOf(html).map(({ name }) => name));
    for (const name of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'form', 'base', 'a']) {
      expect(names.has(name), name).toBe(false);
    }
    expect(html).not.toMatch(/@import|url\((?!#)|src=|href=|\son[a-z]+=/i);
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });

  test('the same data give the same bytes', () => {
    expect(page()).toBe(page());
  });

  test('is known again as ours, and other pages are not', () => {
    expect(isOurPage(page().slice(0, 4096))).toBe(true);
    expect(isOurPage('<!doctype html><title>Mine</title>')).toBe(false);
    expect(isOurPage('GGUF <meta name="generator" content="gemma-provision recommend">')).toBe(false);
  });
});

describe('the page for everybody', () => {
  test('one h1, headings without gaps, a language, and sections with names', () => {
    expect(named('html')[0]?.attributes.lang).toBe('en');
    expect(named('h1')).toHaveLength(1);
    const levels = ELEMENTS.flatMap(({ name }) => (/^h[1-6]$/.test(name) ? [Number(name.slice(1))] : []));
    for (const [index, level] of levels.entries()) expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    const ids = new Set(ELEMENTS.map(({ attributes }) => attributes.id).filter(Boolean));
    for (const { attributes } of named('section')) expect(ids).toContain(attributes['aria-labelledby']);
  });

  test('tables have captions and scopes; what scrolls can be reached by keyboard and has a name', () => {
    expect(named('caption')).toHaveLength(named('table').length);
    for (const { attributes } of named('th')) expect(['col', 'row']).toContain(attributes.scope);
    const scrolling = named('div').filter(({ attributes }) => attributes.class === 'scroll');
    expect(scrolling.length).toBe(named('table').length);
    for (const { attributes } of scrolling) {
      expect(attributes).toMatchObject({ role: 'region', tabindex: '0' });
      expect(attributes['aria-labelledby'] ?? attributes['aria-label']).toBeTruthy();
    }
  });

  test('every picture says what it shows, or is one that words beside it say', () => {
    for (const { attributes } of named('svg')) {
      const silent = attributes['aria-hidden'] === 'true';
      expect(silent || (attributes.role === 'img' && (attributes['aria-label'] ?? '').length > 10)).toBe(true);
    }
    const bars = named('svg').filter(({ attributes }) => attributes.class === 'bar');
    expect(bars[0]?.attributes['aria-label']).toMatch(
      /^RTX 4060: \d\.\d\d GiB for the model, 1\.00 GiB kept free, .* in use now, .* left of 8\.00 GiB$/,
    );
  });

  test('stars and the choice are words too', () => {
    const html = page();
    expect(html).toContain('aria-label="3 of 5 stars"');
    expect(html).toContain('✓ chosen');
  });
});

describe('what the page says', () => {
  test('every quant, its reasons, its basis, and the choice', () => {
    const data = dataFor();
    const html = page(data);
    for (const { quant, reasons, memory } of data.candidates) {
      for (const text of [quant, ...reasons, ...Object.values(memory.basis)]) expect(html).toContain(escaped(text));
    }
    for (const reason of data.choice?.reasons ?? []) expect(html).toContain(escaped(reason));
    expect(html).toContain('num_ctx 8192');
    expect(html).toContain('Chosen by policy best; policy card would choose q4_k_m.');
  });

  test('what would change it', () => {
    const data = dataFor(host({ ram: 64, gpus: [nvidia(4, 3.6)] }));
    expect(data.changes.length).toBeGreaterThan(0);
    for (const { sentence } of data.changes) expect(page(data)).toContain(escaped(sentence));
  });

  test('where nothing fits, and where there is nothing to judge', () => {
    const none = page(dataFor(host({ ram: 4, free: 3.2 })));
    expect(none).toContain('No quant of gemma-3n-e4b runs here.');
    expect(none).toContain('does not fit');
    expect(none).not.toContain('✓ chosen');
    const empty = page(dataFor(EIGHT, { quants: [] }));
    expect(empty).toContain('There are no quants to rank.');
    elementsOf(empty);
  });

  test('the range of speed with the floor, and what is too slow', () => {
    const data = dataFor();
    const speed = { low: 4.04, estimate: 5.2, high: 6.4, basis: 'measured here' };
    const [first, ...others] = data.candidates;
    if (first === undefined) throw new Error('there are candidates');
    const slow = { ...first, tokensPerSecond: speed, promptTokensPerSecond: speed, fastEnough: false };
    const html = page({
      ...data,
      candidates: [slow, ...others],
      speedFloor: { tokensPerSecond: 7, reason: 'as fast as people read' },
    });
    expect(html).toContain('4.0 to 6.4 tok/s, about 5.2');
    expect(html).toContain('too slow');
    expect(html).toContain('7.0 tokens per second or more are required: as fast as people read.');
    expect(html).toContain('measured here');
  });

  test('never NaN, Infinity or undefined', () => {
    for (const data of [dataFor(), dataFor(host({ ram: 4, free: 3.2 })), dataFor(EIGHT, { table: true })]) {
      expect(page(data)).not.toMatch(/NaN|Infinity|undefined|\[object/);
    }
    const data = dataFor();
    const limits = { ...data.limits, ram: { ...data.limits.ram, freeBytes: Number.NaN } };
    expect(() => page({ ...data, limits })).toThrow(TypeError);
  });
});

describe('values of others', () => {
  const HOSTILE = `"><script>alert('x')</script>&{{host}}\u202e\u0007\ud800`;

  test('are text, whatever they hold', () => {
    const data = dataFor({ ...EIGHT, name: HOSTILE, warnings: [HOSTILE] });
    const [first, ...others] = data.candidates;
    if (first === undefined) throw new Error('there are candidates');
    const hostile = {
      ...first,
      placement: HOSTILE,
      reasons: [HOSTILE],
      blockedBy: [HOSTILE],
      memory: { ...first.memory, basis: { weights: HOSTILE } },
      tokensPerSecond: { low: 1, estimate: 2, high: 3, basis: HOSTILE },
    };
    const gpus = data.limits.gpus.map((gpu) => ({ ...gpu, name: HOSTILE }));
    const html = page({
      ...data,
      model: HOSTILE,
      tier: HOSTILE,
      candidates: [hostile, ...others],
      limits: { ...data.limits, gpus },
      server: { version: HOSTILE, endpoint: HOSTILE },
      settingReasons: [HOSTILE],
    });
    const shape = (text: string) => elementsOf(text).map(({ name }) => name);
    expect(new Set(shape(html))).not.toContain('script');
    for (const character of ['\u202e', '\u0007', '\ud800']) expect(html).not.toContain(character);
    expect(html.match(/&quot;&gt;&lt;script&gt;/g)?.length).toBeGreaterThan(10);
  });
});

describe('bars', () => {
  test('end at the limit where a model fits, and go past it where it does not', () => {
    const widths = (html: string) =>
      elementsOf(html)
        .filter(({ name, attributes }) => name === 'rect' && attributes.x !== undefined)
        .map(({ attributes }) => Number(attributes.x) + Number(attributes.width));
    expect(Math.max(...widths(page()))).toBeLessThanOrEqual(1000);
    expect(Math.max(...widths(page(dataFor(host({ ram: 4, free: 3.2 })))))).toBeCloseTo(1000, 0);
  });

  test('of several GPUs show each share; of one pool show all of it', () => {
    const two = dataFor(host({ ram: 64, gpus: [nvidia(24, 23, 'one'), nvidia(24, 23, 'two')] }));
    const [first, ...others] = two.candidates;
    if (first === undefined) throw new Error('there are candidates');
    const memory = { ...first.memory, gpuBytes: 6 * GIB, deviceBytes: [4 * GIB, 2 * GIB] };
    const html = page({ ...two, candidates: [{ ...first, memory }, ...others] });
    expect(html).toContain('aria-label="one: 4.00 GiB for the model');
    expect(html).toContain('aria-label="two: 2.00 GiB for the model');
  });
});

test('a template that is wrong, or without the mark, is refused', () => {
  const refused = expect.objectContaining({ code: 'bad-template' });
  expect(() => recommendationPage(dataFor(), TEMPLATE.replace('{{settings}}', '{{setings}}'))).toThrow(refused);
  expect(() => recommendationPage(dataFor(), '<!doctype html>')).toThrow(refused);
});

/** As Handlebars escapes. */
function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#x27;',
    '`': '&#x60;',
    '=': '&#x3D;',
  };
  return text.replaceAll(/[&<>"'`=]/g, (character) => names[character] ?? character);
}
