// Draws the pictures of a report, and draws them anew where the page becomes narrow or goes to a printer.
const narrow = matchMedia("(max-width: 700px)");
const hasMouse = matchMedia("(hover: hover)").matches;
const printedWidth = 680; // pixels between the margins of a sheet, A4 or letter
const pictures = [];

// plotly's bar of buttons has one that uploads the chart: a company's numbers stay in the company.
const config = {
  showSendToCloud: false, plotlyServerURL: "", displaylogo: false, responsive: true, displayModeBar: hasMouse && "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d"],
};

// `below` replaces those keys of the layout that differ on a narrow page.
function draw(id, figure, below) {
  const place = document.getElementById(id);
  // A finger on a picture scrolls the page; only a mouse zooms.
  const dragmode = hasMouse ? "zoom" : false;
  const fit = (changes) => Plotly.newPlot(place, figure.data, { ...figure.layout, dragmode, ...changes }, config);
  const toPage = () => fit(narrow.matches ? below : {});
  pictures.push({ toPage, toSheet: () => fit({ ...below, width: printedWidth }) });
  toPage();
}

narrow.addEventListener("change", () => pictures.forEach((picture) => picture.toPage()));
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.rest").forEach((folded) => { folded.open = true; });
  pictures.forEach((picture) => picture.toSheet());
});
addEventListener("afterprint", () => pictures.forEach((picture) => picture.toPage()));
