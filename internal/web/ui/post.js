// Submits the form of the page, like a click on its button.
document.getElementById("submit").click();
