// Attention over a picture: one cell for each visual token, from dark (the least of all) to bright (the most).

const STOPS = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];
const LONGEST = 480;
const ALPHA = 0.62;

function color(share) {
  const place = Math.min(share, 1) * (STOPS.length - 1);
  const first = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[first].map((value, channel) => value + (STOPS[first + 1][channel] - value) * (place - first));
}

export function range(picture) {
  const all = picture.tiles.flatMap((tile) => tile.shares.flat());
  return [Math.min(...all), Math.max(...all, 1e-12)];
}

function cells(shares, least, most) {
  const canvas = new OffscreenCanvas(shares[0].length, shares.length);
  const pixels = new ImageData(canvas.width, canvas.height);
  shares.flat().forEach((share, place) => 
    pixels.data.set([...color((share - least) / (most - least || 1)), 255], 4 * place));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// The picture stands as the model sees it: how a camera was held is not read.
export async function drawMap(canvas, url, picture) {
  const [head, data] = url.split(",");
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const blob = new Blob([bytes], { type: head.slice(5).split(";")[0] });
  const image = await createImageBitmap(blob, { imageOrientation: "none" });
  const scale = LONGEST / Math.max(image.width, image.height);
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext("2d");
  context.filter = "grayscale(1)";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  context.globalAlpha = ALPHA / Math.sqrt(Math.min(picture.tiles.length, 2));
  context.imageSmoothingEnabled = false;
  const [least, most] = range(picture);
  for (const { box: [left, top, right, bottom], shares } of picture.tiles)
    context.drawImage(cells(shares, least, most), left * canvas.width, top * canvas.height,
      (right - left) * canvas.width, (bottom - top) * canvas.height);
}

export function drawLegend(canvas) {
  const context = canvas.getContext("2d");
  for (let place = 0; place < canvas.width; place += 1) {
    context.fillStyle = `rgb(${color(place / (canvas.width - 1)).map(Math.round).join(" ")})`;
    context.fillRect(place, 0, 1, 1);
  }
}

// Says in words where most of it is.
export function strongest(picture) {
  const [, highest] = range(picture);
  for (const { box: [left, top, right, bottom], shares } of picture.tiles)
    for (const [row, line] of shares.entries())
      for (const [column, share] of line.entries())
        if (share === highest) {
          const across = left + ((column + 0.5) / line.length) * (right - left);
          const down = top + ((row + 0.5) / shares.length) * (bottom - top);
          const third = (place, words) => words[Math.max(0, Math.min(2, Math.floor(place * 3)))];
          const where = `${third(down, ["upper", "middle", "lower"])} ${third(across, ["left", "center", "right"])}`;
          return `most of it ${where}`;
        }
  return "";
}
