import { describe, expect, test } from 'vitest';
import { TEMPLATE } from './support.ts';

type Colours = Readonly<Record<string, string>>;

/** The colours of each look, in the order of the template: light, dark, print. */
const LOOKS: readonly Colours[] = [...TEMPLATE.matchAll(/:root \{([^}]*)\}/g)].map(([, body = '']) =>
  Object.fromEntries([...body.matchAll(/--(\w+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value])),
);

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a = '', b = ''): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

test('there are a light, a dark and a printed look with the same colours in them', () => {
  expect(LOOKS).toHaveLength(3);
  for (const look of LOOKS) expect(Object.keys(look)).toEqual(Object.keys(LOOKS[0] ?? {}));
});

describe.each([
  ['light', LOOKS[0]],
  ['dark', LOOKS[1]],
  ['print', LOOKS[2]],
])('WCAG AA in %s', (_name, look = {}) => {
  test.each(['text', 'quiet', 'good', 'bad', 'link'])('text in %s has 4.5 to 1 on both grounds', (colour) => {
    for (const ground of ['page', 'card'])
      expect(contrast(look[colour], look[ground]), ground).toBeGreaterThanOrEqual(4.5);
  });

  test.each(['edge', 'used', 'model', 'margin', 'limit'])('what %s draws has 3 to 1', (colour) => {
    for (const ground of ['page', 'track'])
      expect(contrast(look[colour], look[ground]), ground).toBeGreaterThanOrEqual(3);
  });
});
