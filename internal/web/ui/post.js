// Sends the form of the page, as if its button had been pressed.
document.getElementById("submit").click();
