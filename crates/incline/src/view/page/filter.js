// Hides what was not asked for. Without it, all is shown.
(() => {
  const form = document.getElementById("filter");
  const words = document.getElementById("words");
  const onlyNews = document.getElementById("only-news");
  const shown = document.getElementById("shown");
  const findings = [...document.querySelectorAll(".finding")];
  const cards = [...document.querySelectorAll(".card")];
  const texts = new Map(findings.map((one) => [one, (one.closest(".card").id + " " + one.textContent).toLowerCase()]));

  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const classes = new Set([...form.querySelectorAll("[name=class]:checked")].map((box) => box.value));
    let count = 0;
    for (const one of findings) {
      const show =
        classes.has(one.dataset.class) &&
        (!onlyNews.checked || one.dataset.news === "new") &&
        wanted.every((word) => texts.get(one).includes(word));
      one.hidden = !show;
      count += show;
    }
    const narrowed = wanted.length > 0 || onlyNews.checked;
    for (const card of cards) {
      const some = [...card.querySelectorAll(".finding")].some((one) => !one.hidden);
      const named = wanted.length > 0 && wanted.every((word) => card.id.toLowerCase().includes(word));
      card.hidden = narrowed && !some && !(named && !onlyNews.checked);
    }
    shown.textContent = count + (count === 1 ? " finding" : " findings") + " shown";
  };

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target.tagName !== "INPUT") {
      event.preventDefault();
      words.focus();
    } else if (event.key === "Escape" && event.target === words) {
      words.value = "";
      apply();
    }
  });
  apply();
})();
