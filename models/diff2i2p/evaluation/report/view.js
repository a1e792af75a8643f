// The map from any side with the paths in it, and the matches of the frame that is clicked on.
{
  const COLOURS = { truth: "#3f83f8", estimate: "#f08c00", bad: "#e5484d", good: "#2fa84f" };
  const scene = JSON.parse(document.getElementById("scene").textContent);
  const canvas = document.getElementById("map"), pen = canvas.getContext("2d");
  const frameCanvas = document.getElementById("frame"), framePen = frameCanvas.getContext("2d");
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const steps = new Int16Array(bytes(scene.points).buffer), greys = bytes(scene.greys);
  const points = Float32Array.from(steps, (value, i) => scene.low[i % 3] + scene.step * value);

  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) =>
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const mix = (a, s, b, t) => a.map((value, i) => s * value + t * b[i]);
  const unit = a => a.map(value => value / Math.hypot(...a));

  const up = unit(scene.up);
  const ahead = unit(cross(up, Math.abs(up[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]));
  const aside = cross(ahead, up);
  const placed = scene.frames.map(frame => frame.truth || frame.estimate);
  const known = placed.filter(pose => pose);
  const middle = [0, 1, 2].map(axis => known.length
    ? known.reduce((sum, pose) => sum + pose[axis], 0) / known.length
    : scene.low[axis] + 16000 * scene.step);
  const eye = { turn: 0.6, tilt: 0.9, distance: 9 };
  let chosen = Math.max(0, scene.frames.findIndex(frame => frame.image));

  // Where points are drawn: x, y in pixels and the depth in metres.
  function projection() {
    const level = mix(ahead, Math.cos(eye.turn), aside, Math.sin(eye.turn));
    const look = mix(level, Math.cos(eye.tilt), up, -Math.sin(eye.tilt));
    const right = unit(cross(look, up)), down = cross(look, right);
    const focal = canvas.height, place = mix(middle, 1, look, -eye.distance);
    return (x, y, z) => {
      const from = [x - place[0], y - place[1], z - place[2]], depth = dot(from, look);
      const scale = focal / depth;
      return [canvas.width / 2 + scale * dot(from, right),
        canvas.height / 2 + scale * dot(from, down), depth];
    };
  }

  function drawPoints(project) {
    const { width, height } = canvas, image = pen.createImageData(width, height);
    const nearest = new Float32Array(width * height).fill(Infinity);
    for (let i = 0; i < greys.length; i++) {
      const [x, y, depth] = project(points[3 * i], points[3 * i + 1], points[3 * i + 2]);
      if (depth < 0.2) continue;
      const side = depth < 4 ? 3 : 2;
      for (let v = y | 0; v < (y | 0) + side; v++) for (let u = x | 0; u < (x | 0) + side; u++) {
        if (u < 0 || v < 0 || u >= width || v >= height) continue;
        const at = v * width + u;
        if (depth >= nearest[at]) continue;
        nearest[at] = depth;
        image.data.fill(40 + 0.8 * greys[i], 4 * at, 4 * at + 3);
        image.data[4 * at + 3] = 255;
      }
    }
    pen.putImageData(image, 0, 0);
  }

  function line(project, from, to, colour, width) {
    const a = project(...from), b = project(...to);
    if (a[2] < 0.2 || b[2] < 0.2) return;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(a[0], a[1]);
    pen.lineTo(b[0], b[1]);
    pen.stroke();
  }

  const place = pose => pose.slice(0, 3);
  const tip = pose => mix(place(pose), 1, pose.slice(3), 0.25);

  function drawPaths(project) {
    scene.frames.forEach((frame, i) => {
      const next = scene.frames[i + 1];
      if (frame.truth && next && next.truth)
        line(project, place(frame.truth), place(next.truth), COLOURS.truth, 2);
      const shown = frame.estimate || frame.truth;
      const colour = frame.state === "answered" ? COLOURS.estimate : COLOURS.bad;
      if (shown) line(project, place(shown), tip(shown), colour, i === chosen ? 5 : 2);
    });
  }

  function drawMatches(project) {
    const frame = scene.frames[chosen], pose = frame && (frame.estimate || frame.truth);
    if (!pose) return;
    for (const [, , x, y, z, good] of frame.matches || [])
      if (good) line(project, place(pose), [x, y, z], COLOURS.good, 0.6);
  }

  function draw() {
    const project = projection();
    drawPoints(project);
    drawMatches(project);
    drawPaths(project);
  }

  function show(index) {
    chosen = Math.min(Math.max(index, 0), scene.frames.length - 1);
    const frame = scene.frames[chosen];
    document.getElementById("told").textContent = frame ? frame.text : "";
    framePen.clearRect(0, 0, frameCanvas.width, frameCanvas.height);
    if (frame && frame.image) drawFrame(frame);
    draw();
  }

  function drawFrame(frame) {
    const image = new Image();
    image.onload = () => {
      if (scene.frames[chosen] !== frame) return;
      const scale = frameCanvas.width / frame.width;
      frameCanvas.height = Math.round(scale * frame.height);
      framePen.drawImage(image, 0, 0, frameCanvas.width, frameCanvas.height);
      for (const [u, v, , , , good] of [...frame.matches].reverse()) {
        framePen.fillStyle = good ? COLOURS.good : COLOURS.bad;
        framePen.beginPath();
        framePen.arc(scale * (u + 0.5), scale * (v + 0.5), good ? 4 : 2.5, 0, 7);
        framePen.fill();
      }
    };
    image.src = frame.image;
  }

  // The frame whose pose is drawn nearest to a place on the canvas.
  function nearest(x, y) {
    const project = projection();
    const away = placed.map(pose => {
      if (!pose) return Infinity;
      const [u, v, depth] = project(...place(pose));
      return depth < 0.2 ? Infinity : Math.hypot(u - x, v - y);
    });
    return away.indexOf(Math.min(...away));
  }

  let held = null;
  canvas.addEventListener("pointerdown", event => {
    held = { x: event.clientX, y: event.clientY, moved: false };
  });
  addEventListener("pointermove", event => {
    if (!held) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(dx, dy) < 4) return;
    eye.turn += dx / 200;
    eye.tilt = Math.min(1.55, Math.max(-0.3, eye.tilt + dy / 200));
    held = { x: event.clientX, y: event.clientY, moved: true };
    draw();
  });
  addEventListener("pointerup", event => {
    if (held && !held.moved) {
      const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
      const found = nearest(scale * (event.clientX - box.left), scale * (event.clientY - box.top));
      if (found >= 0) show(found);
    }
    held = null;
  });
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    eye.distance = Math.min(200, Math.max(1, eye.distance * Math.exp(event.deltaY / 800)));
    draw();
  }, { passive: false });
  document.getElementById("before").addEventListener("click", () => show(chosen - 1));
  document.getElementById("after").addEventListener("click", () => show(chosen + 1));
  show(chosen);
}
